import tracemalloc
from pathlib import Path

from captcha_tagger.report.mistakes import (
    count_misreadings,
    write_doubtful_names,
    write_top_losses,
)
from tests.runs import load_run, write_run


def measure(folder: Path, images: int) -> int:
    """The most bytes that are held while everything is counted that the page says of all images."""
    data = write_run(folder, images=images, reads=True)
    tracemalloc.start()
    results = load_run(data)
    write_top_losses(folder / "top_losses.csv", results)
    write_doubtful_names(folder / "doubtful.csv", results)
    assert count_misreadings(results)
    assert results.summary.images == images
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_an_image_that_is_not_shown_takes_little_memory(tmp_path: Path) -> None:
    """It took 1.4 kB: 1,470 MB at a million images."""
    few, many = measure(tmp_path / "few", 200), measure(tmp_path / "many", 2200)
    assert many - few < 300 * 1000  # half of the images are held out
