"""Show what the run was like and which images the model gets most wrong.

python stages/top_losses.py data/ingest data/split data/train_head data/fine_tune data/evaluate \
    data/top_losses
"""

from pathlib import Path

from captcha_tagger.base import stage
from captcha_tagger.base.files import atomic_folder
from captcha_tagger.base.record import record_now
from captcha_tagger.base.settings import load_section, read_params
from captcha_tagger.report.mistakes import write_doubtful_names, write_top_losses
from captcha_tagger.report.model_card import write_model_card
from captcha_tagger.report.params import TopLosses
from captcha_tagger.report.plots.figures import draw_curves, draw_data, draw_labels, draw_top_losses
from captcha_tagger.report.report import write_report
from captcha_tagger.report.results import load_results


def main(
    ingest: Path, split: Path, train_head: Path, fine_tune: Path, evaluate: Path, out: Path
) -> None:
    params = read_params()
    section = load_section("top_losses", TopLosses)
    results = load_results(ingest, split, train_head, fine_tune, evaluate)
    with atomic_folder(out) as folder:
        write_report(folder / "report.html", results, params, page_images=section.page_images)
        write_model_card(folder / "model_card.md", results, params)
        write_top_losses(folder / "top_losses.csv", results)
        write_doubtful_names(folder / "doubtful_names.csv", results)
        draw_top_losses(folder / "top_losses.png", results, section.images)
        draw_data(folder / "data.png", results.summary)
        draw_curves(folder / "curves.png", results)
        draw_labels(folder / "labels.png", results)
    print(f"{out / 'report.html'}: open it in a browser, or run make report")


if __name__ == "__main__":
    stage.run(main, then=record_now)
