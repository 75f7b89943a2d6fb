import os
import subprocess
import sys

import torch
from safetensors.torch import load_file

from captcha_tagger.base.files import read_json, read_table
from captcha_tagger.base.settings import load_section
from captcha_tagger.data.dataset import load_dataset
from captcha_tagger.evaluate.scores import read_scores
from captcha_tagger.network.model_folder import load_model
from captcha_tagger.training.params import FineTune
from captcha_tagger.training.threshold import choose_threshold
from tests.stages.conftest import COMMANDS, ROOT, Workspace


def test_the_unfreezing_moves_every_layer(trained: Workspace) -> None:
    before = load_file(trained.data / "train_head" / "model" / "weights.safetensors")
    after = load_file(trained.data / "fine_tune" / "model" / "weights.safetensors")
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert before.keys() == moved


def test_history_goes_on_where_the_heads_ended(trained: Workspace) -> None:
    steps = read_table(trained.data / "fine_tune" / "steps.csv")
    epochs = read_table(trained.data / "fine_tune" / "epochs.csv")
    assert [int(row["step"]) for row in steps] == list(range(4, 12))
    assert [row["epoch"] for row in epochs] == ["2", "3"]


def test_the_same_run_gives_the_same_bytes(trained: Workspace) -> None:
    names = ["model/weights.safetensors", "model/model.json", "steps.csv", "epochs.csv"]
    before = [trained.read("fine_tune", name) for name in names]
    assert trained.run(*COMMANDS[5]) == 0
    assert [trained.read("fine_tune", name) for name in names] == before


def test_the_threshold_is_stored_with_the_model(trained: Workspace) -> None:
    card = read_json(trained.data / "fine_tune" / "model" / "model.json")
    model = load_model(trained.data / "fine_tune" / "model")
    data = load_dataset(trained.data / "ingest", trained.data / "split")
    params = load_section("fine_tune", FineTune, trained.folder / "params.yaml")
    train = data.train_images(torch.device("cpu"))
    assert card["threshold"] == choose_threshold(model, train, params.seed)
    metrics = read_scores(trained.data / "evaluate")
    assert metrics["threshold"] == card["threshold"]


def test_torchs_compiler_stays_unloaded(trained: Workspace) -> None:
    """It takes a second; torch's own optimizers import it at their first call."""
    paths = [trained.data / path for path in ("ingest", "split", "train_head", "eager")]
    done = subprocess.run(
        [sys.executable, "-X", "importtime", ROOT / "stages" / "fine_tune.py", *paths],
        cwd=trained.folder,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src"), "DVC_ROOT": str(trained.folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "captcha_tagger.engine.optimizer" in done.stderr
    assert " torch._dynamo\n" not in done.stderr
