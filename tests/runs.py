"""A finished run on disk, as small as can be: what the stages before top_losses leave.

Its file names and labels are as hostile as file systems allow.
"""

from pathlib import Path

import numpy as np

from captcha_tagger.base.files import write_json, write_table
from captcha_tagger.data.held_out import open_held_out
from captcha_tagger.data.labels import encode_texts, make_vocabulary
from captcha_tagger.data.manifest import Row, write_manifest
from captcha_tagger.data.pixels import Shape
from captcha_tagger.data.readings import Reading
from captcha_tagger.evaluate.answers import ANSWERS, write_answers, write_evidence
from captcha_tagger.evaluate.evaluation import evaluate
from captcha_tagger.evaluate.params import Evaluate
from captcha_tagger.ingest.summary import summarize, write_summary
from captcha_tagger.ingest.verdicts import Tally
from captcha_tagger.metrics.sets import sigmoid
from captcha_tagger.report.results import Results, load_results
from tests.conftest import make_card

HEIGHT, WIDTH, GRID = 24, 64, (1, 8)
HOSTILE_NAMES = {
    0: "<img src=x onerror=alert(1)>.png",
    1: "a</script><script>alert(1)</script>.png",
    2: "{{ 7 * 7 }} & {% raw %}.png",
}
EPOCH_COLUMNS = (
    "epoch", "step", "phase", "train_loss", "validation_loss", "label_accuracy", "exact_set",
    "micro_f1",
)  # fmt: skip


def write_run(
    root: Path,
    *,
    images: int = 60,
    labels: str = "abcd<&=",
    grid: tuple[int, int] = GRID,
    size: tuple[int, int] = (HEIGHT, WIDTH),
    seed: int = 0,
    noise: float = 1.5,
    reads: bool = False,
) -> Path:
    """Write data/ under root: half of the images are validation, their answers partly wrong.

    Where it reads, the first text is misread in each way, and all others are right.
    """
    random = np.random.default_rng(seed)
    texts = ["".join(random.choice(list(labels), 4)) for _ in range(images)]
    texts[0] = labels[:4]
    vocabulary = make_vocabulary([*texts, labels])
    names = [HOSTILE_NAMES.get(n, f"folder/{n:04}.png") for n in range(images)]
    rows = [
        Row(name, text, f"{n:x}", size[1], size[0])
        for n, (name, text) in enumerate(zip(names, texts, strict=True))
    ]
    data = root / "data"
    _write_data(data, rows, vocabulary, _draw(random, images, size))
    validation = list(range(0, images, 2))
    write_json(
        data / "split" / "parts.json",
        {"train": list(range(1, images, 2)), "validation": validation},
    )
    _write_training(data, random)
    readings = [_read(rows[index].text, size[1]) for index in validation] if reads else None
    if readings:
        first = rows[0].text
        readings[0] = _read(first[1] + first[1:3] + first[3] * 2, size[1])
    _write_answers(data, vocabulary, grid, random, noise, readings)
    return data


def _read(text: str, width: int) -> Reading:
    """A reading of this text, its characters side by side."""
    step = width // (len(text) + 1)
    return Reading(text, 0.99, tuple((step * n, step * n + step) for n in range(len(text))))


def run_folders(data: Path) -> list[Path]:
    """The arguments of top_losses, without its output."""
    return [data / name for name in ("ingest", "split", "train_head", "fine_tune", "evaluate")]


def load_run(data: Path) -> Results:
    return load_results(*run_folders(data))


def _draw(
    random: np.random.Generator, images: int, size: tuple[int, int]
) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """A grey gradient with a few dark strokes, about as hard to compress as a captcha."""
    pixels = np.linspace(190, 250, size[1])[None, None, None, :].repeat(size[0], 2)
    pixels = pixels.repeat(images, 0) + random.normal(0, 2, (images, 1, *size))
    for image in pixels:
        for left in random.integers(0, size[1] - 6, 12):
            top = random.integers(0, size[0] // 2)
            image[0, top : top + size[0] // 2, left : left + 4] = 20
    return pixels.clip(0, 255).astype(np.uint8)


def _write_data(
    data: Path,
    rows: list[Row],
    vocabulary: list[str],
    pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]],
) -> None:
    ingest = data / "ingest"
    ingest.mkdir(parents=True)
    write_manifest(ingest / "manifest.jsonl", rows)
    write_json(ingest / "vocabulary.json", vocabulary)
    np.save(ingest / "pixels.npy", pixels)
    rejects = [["<b>bold</b>.txt", "not an image"], ["ab cd.png", "its text holds a blank"]]
    write_table(ingest / "rejects.csv", ["file", "reason"], rejects)
    known = [
        ["old.png", "abcd", 'a, quoted "why"'],
        ["=1.png", "drop", "'blank"],
        [" 1.png", "drop", ""],
    ]
    write_table(ingest / "corrections.csv", ["file", "text", "why"], known)
    tally = Tally(Shape(1, HEIGHT, WIDTH), rows=len(rows), rejected=2)
    write_summary(ingest, summarize(rows), tally)
    model = data / "fine_tune" / "model"
    model.mkdir(parents=True)
    (model / "weights.safetensors").write_bytes(b"weights")
    np.save(data / "fine_tune" / "augmented.npy", 255 - pixels[1:48:2])


def _write_training(data: Path, random: np.random.Generator) -> None:
    """Two phases whose every column has its own course."""
    step, epoch = 0, 0
    for phase, epochs in (("train_head", 2), ("fine_tune", 4)):
        folder = data / phase
        steps = [
            [
                step + n,
                phase,
                float(np.exp(-(step + n) / 20) + random.random() * 0.02),
                0.01 / (n + 1),
            ]
            for n in range(10 * epochs)
        ]
        write_table(folder / "steps.csv", ["step", "phase", "loss", "learning_rate"], steps)
        lines = []
        for _ in range(epochs):
            epoch, step = epoch + 1, step + 10
            rest = 0.5**epoch  # what is still wrong
            lines.append([epoch, step - 1, phase, rest, 1.1 * rest + 0.01, 1 - rest / 4, 1 - rest,
                          1 - rest / 2])  # fmt: skip
        write_table(folder / "epochs.csv", EPOCH_COLUMNS, lines)


def _write_answers(
    data: Path,
    vocabulary: list[str],
    grid: tuple[int, int],
    random: np.random.Generator,
    noise: float,
    readings: list[Reading] | None,
) -> None:
    """What the evaluate stage writes, for logits that are right but for the noise."""
    images = open_held_out(data / "ingest", data / "split")
    targets = encode_texts(images.texts, vocabulary)
    logits = (4 * (targets - 0.5) + random.normal(0, noise, targets.shape)).astype(np.float32)
    probs = sigmoid(logits)[:, :, None, None]
    evidence = (random.random((*targets.shape, *grid)) ** 4 * probs).astype(np.float16)
    folder = data / "evaluate"
    folder.mkdir()
    answers, reads = folder / ANSWERS, readings is not None
    with write_answers(answers, images.rows, len(vocabulary), reads=reads) as add:
        add(logits, readings or [])
    write_evidence(answers, np.arange(len(evidence)), evidence)
    card = make_card().model_copy(update={"vocabulary": vocabulary})
    params = Evaluate(threshold="model", resamples=100, seed=0, evidence_images=5000)
    evaluate(images, card, params, folder)
