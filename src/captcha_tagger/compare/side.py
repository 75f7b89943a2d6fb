"""One experiment as a comparison sees it, wherever it was kept.

A folder with what the stages left, whole or in part, and the dvc.lock that says how -> Side.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.files import read_table
from captcha_tagger.base.settings import read_params
from captcha_tagger.data.manifest import Row, read_manifest
from captcha_tagger.data.pixels import Pixels, open_pixels
from captcha_tagger.evaluate.scores import read_scores
from captcha_tagger.report.results import Table

LOCK = "dvc.lock"
NEEDED = (
    "evaluate/metrics.json", "evaluate/details.json", "evaluate/labels.csv",
    "evaluate/predictions.csv",
)  # fmt: skip
CURVES = ("train_head/epochs.csv", "fine_tune/epochs.csv")
IMAGES = ("ingest/manifest.jsonl", "ingest/pixels.npy")
ANSWER_COLUMNS = ("file", "text", "missed", "invented", "loss")
SHARED_SECTION = "compute"  # of params; any other is one stage's own
OWNERS = {"read": "evaluate"}  # of the sections that are not their stage's namesakes
CODE = ("src/", "stages/")

Judged = Literal["texts", "sets"]  # what of an image has to be right


@dataclass(frozen=True)
class ScoredImage:
    """What an experiment says of one validation image; `pixels` is the digest, where known.

    `read` is None where the model reads no texts.
    """

    file: str
    text: str
    read: str | None
    missed: str
    invented: str
    loss: float
    pixels: str | None

    def is_right(self, judged: Judged) -> bool:
        """Whether the whole text is right, in order; or the label set."""
        if judged == "texts":
            return self.read == self.text
        return not self.missed and not self.invented


@dataclass(frozen=True)
class Images:
    """All images of an experiment: where in `pixels` each file's is."""

    pixels: Pixels
    places: Mapping[str, int]


@dataclass(frozen=True)
class Side:
    """One experiment: its params by dotted name, its data's hashes, and how it was evaluated."""

    name: str
    params: Mapping[str, str]
    data: frozenset[str]
    metrics: Mapping[str, Any]
    f1: Mapping[str, float | None]  # None: nothing to score
    answers: list[ScoredImage]
    epochs: Table
    images: Images | None

    @property
    def reads(self) -> bool:
        return all(answer.read is not None for answer in self.answers)


def read_side(name: str, folder: Path, lock: Path) -> Side:
    """Read what there is; InputError when the experiment was not evaluated.

    Curves and images are left out where the folder has none.
    """
    if not lock.exists():
        raise InputError(f"{name}: not evaluated, {lock.name} is missing")
    stages = read_params(lock).get("stages", {})
    rows = _read_rows(folder)
    digests = {row.file: row.pixels for row in rows}
    evaluate = folder / "evaluate"
    try:
        return Side(
            name=name,
            params=flatten(_own_params(stages)),
            data=_hash_data(stages),
            metrics=read_scores(evaluate),
            f1={row["label"]: _read_score(row["f1"])
                for row in read_table(evaluate / "labels.csv", ("label", "f1"))},
            answers=[_read_answer(row, digests)
                     for row in read_table(evaluate / "predictions.csv", ANSWER_COLUMNS)],
            epochs=[row for path in CURVES if (folder / path).exists()
                    for row in read_table(folder / path)],
            images=_open_images(folder, rows),
        )  # fmt: skip
    except FileNotFoundError as error:
        missing = Path(error.filename).name
        raise InputError(f"{name}: not evaluated, {missing} is missing") from None
    except InputError as error:
        raise InputError(f"{name}: {error}") from None
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{name}: another version wrote its evaluation: {error!r}") from None


def flatten(content: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested params as dotted names and the values as YAML writes them."""
    flat: dict[str, str] = {}
    for name, value in content.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value if isinstance(value, str) else json.dumps(value)
    return flat


def _own_params(stages: Mapping[str, Any]) -> dict[str, Any]:
    """Each section as its own stage last saw it: others may have seen it earlier."""
    return {
        name: values
        for stage, entry in stages.items()
        for name, values in entry.get("params", {}).get("params.yaml", {}).items()
        if _owns(stage, name.split(".")[0])
    }


def _owns(stage: str, section: str) -> bool:
    return section == SHARED_SECTION or OWNERS.get(section, section) == stage


def _hash_data(stages: Mapping[str, Any]) -> frozenset[str]:
    """DVC's hashes of the folder or zip that ingest read."""
    deps = stages.get("ingest", {}).get("deps", [])
    return frozenset(
        dep.get("md5") or dep["etag"] for dep in deps if not dep["path"].startswith(CODE)
    )


def _read_rows(folder: Path) -> list[Row]:
    manifest = folder / IMAGES[0]
    return read_manifest(manifest) if manifest.exists() else []


def _open_images(folder: Path, rows: list[Row]) -> Images | None:
    if not rows or not (folder / IMAGES[1]).exists():
        return None
    pixels = open_pixels(folder / IMAGES[1])
    if len(pixels) != len(rows):
        raise InputError(f"{len(pixels)} images have {len(rows)} rows; run dvc repro ingest")
    return Images(pixels, {row.file: place for place, row in enumerate(rows)})


def _read_answer(row: Mapping[str, str], digests: Mapping[str, str]) -> ScoredImage:
    return ScoredImage(
        file=row["file"],
        text=row["text"],
        read=row.get("read"),
        missed=row["missed"],
        invented=row["invented"],
        loss=float(row["loss"]),
        pixels=digests.get(row["file"]),
    )


def _read_score(text: str) -> float | None:
    score = float(text)
    return score if score == score else None
