from pathlib import Path

import pytest

from captcha_tagger.base.errors import InputError
from captcha_tagger.params import load_params
from tests.repository import PARAMS_FILE, ROOT

SHIPPED = PARAMS_FILE.read_text(encoding="utf-8")


def load_changed(tmp_path: Path, old: str, new: str) -> object:
    assert old in SHIPPED
    path = tmp_path / "params.yaml"
    path.write_text(SHIPPED.replace(old, new, 1), encoding="utf-8")
    return load_params(path)


@pytest.mark.own_params
def test_the_params_in_the_repository_are_valid() -> None:
    load_params(ROOT / "params.yaml")


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("  validation: 0.2", "  validation: 1.5", "split.validation"),
        ("  validation: 0.2", "  validatoin: 0.2", "split.validatoin: unknown key"),
        ("  validation: 0.2", "", "split.validation: missing"),
        ("  epochs: 2", "  epochs: 0", "train_head.epochs"),
        ("  length: 5", "  length: five", "sample.length"),
        ("  deterministic: true", "  deterministic: on", "compute.deterministic"),
        ("  deterministic: true", '  deterministic: "true"', "compute.deterministic"),
        ("  weight_decay: 0.01", '  weight_decay: "1e-05"', "weight_decay"),
        ("  fold: 0", "  fold: 3", "fold 3 needs at least 4 folds"),
        ("  source: synthetic", "  source: file", "backbone: file names no weights"),
        ("  source: synthetic", "  source: imagenet", "backbone: compact was never trained on"),
        (
            "  output_stride: 8",
            "  output_stride: 16",
            "backbone: synthetic draws texts for positions",
        ),
        ("  architecture: compact", "  architecture: vgg11", "architecture to compact or a ResNet"),
        ("  threads: auto", "  threads: 0", "compute.threads: Input should be greater"),
        ("  threshold: model", "  threshold: 1.5", "evaluate.threshold: Input should be less"),
        ("  threshold: model", "  threshold: '0.2'", "evaluate.threshold: Input should be"),
        ("(?P<text>", "(?P<name>", "(?P<text>...)"),
        ("  threads: auto", "  threads: 100000", "compute.threads: Input should be less"),
        ("  images: 1000", f"  images: {'9' * 5000}", "not readable as YAML"),
        ("  images: 1000", f"  images: {'9' * 4000}", "sample.images: Input should be less"),
        ("  images: 1000", f"  images: {'[' * 5000}{']' * 5000}", "nested too deep"),
        ("  images: 1000", "  images: &x [*x]", "sample.images: Input should be a valid integer"),
        ("  images: 1000", "  images: 2020-99-99", "not readable as YAML"),
        ("  images: 1000", "  images: !!bool x", "not readable as YAML"),
        ("  images: 1000", "  images: !!omap x", "not readable as YAML"),
        ("  images: 1000", "  <<: 3", "not readable as YAML"),
        ("  images: 1000", "<<<<<<< HEAD\n  images: 1000", "not readable as YAML"),
        ("  images: 1000", "  images: 1000\n  images: 2000", "not readable as YAML"),
        ("  images: 1000", "  images: 1000\0", "not readable as YAML"),
        ("  images: 1000", "  images: .inf", "sample.images: Input should be a valid integer"),
        ("  learning_rate: 0.01", "  learning_rate: .nan", "learning_rate: Input should be"),
        (
            "(?P<text>.+?)",
            f"(?P<text>{'(' * 5000}{')' * 5000})",
            "ingest.name_pattern: not a regular expression",
        ),
        (
            "(?P<text>.+?)",
            "(?P<text>a{99999999999})",
            "ingest.name_pattern: not a regular expression",
        ),
        (
            "(?P<text>.+?)",
            "(?P<text>a)(?P<text>b)",
            "ingest.name_pattern: not a regular expression",
        ),
        ("source: data/", 'source: "\\ud800/"\n  # ', "ingest.source: Input should be"),
        ("  pattern: null", "  pattern: 'a+'", "read: a pattern is looked for by a beam"),
        ("  pattern: null", "  pattern: '[a'", "read.pattern: not a regular expression"),
        ("  head: ctc", "  head: max", "train_head.head: Input should be 'ctc'"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_its_key(
    tmp_path: Path, old: str, new: str, key: str
) -> None:
    with pytest.raises(InputError, match=r"params\.yaml") as caught:
        load_changed(tmp_path, old, new)
    assert key in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_float_that_dvc_writes_as_1e_05_is_a_float(tmp_path: Path) -> None:
    """YAML 1.1 readers take `1e-05`, which `dvc exp run -S x=1e-5` writes, for a string."""
    params = load_changed(tmp_path, "  weight_decay: 0.01", "  weight_decay: 1e-05")
    assert params.train_head.weight_decay == 1e-5  # type: ignore[attr-defined]


def test_a_missing_or_broken_file_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        load_params(tmp_path / "params.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_text("a: [1", encoding="utf-8")
    with pytest.raises(InputError, match="not readable as YAML"):
        load_params(broken)


def test_a_tag_that_would_run_code_is_refused_and_not_run(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(f"sample: !!python/object/apply:pathlib.Path.touch [{tmp_path / 'exploded'}]\n")
    with pytest.raises(InputError, match="not readable as YAML"):
        load_params(path)
    assert not (tmp_path / "exploded").exists()
