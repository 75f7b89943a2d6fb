"""A small copy of the repository with forty drawn images, to drive DVC and MLflow for real."""

import atexit
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw
from ruamel.yaml import YAML

from captcha_tagger.evaluate.scores import read_scores
from tests.repository import PARAMS_FILE, ROOT

LETTERS = "abc234"
SETTLE_SECONDS = 600
TINY = {
    "ingest": {"source": "images", "height": 32, "width": 96},
    "sample": {"images": 4},
    "backbone": {"source": "random"},
    "train_head": {"epochs": 1, "batch_size": 8},
    "fine_tune": {"epochs": 1, "batch_size": 8},
    "evaluate": {"resamples": 100},
    "compute": {"device": "cpu", "threads": 1, "save_every_seconds": 1.0},
}


@dataclass
class Project:
    """A Git and DVC repository in `root`; every command runs in it as a user's would."""

    root: Path
    env: dict[str, str] = field(default_factory=dict)

    def run(self, *words: str, check: bool = True, **env: str) -> subprocess.CompletedProcess[str]:
        run = subprocess.run(
            [sys.executable, *words] if words[0] == "-m" else words,
            cwd=self.root,
            env=self.environment(**env),
            capture_output=True,
            text=True,
            check=False,
        )
        if check:
            assert run.returncode == 0, f"{words}\n{run.stdout}\n{run.stderr}"
        return run

    def environment(self, **env: str) -> dict[str, str]:
        hidden = ("DVC_", "MLFLOW_", "GIT_")
        inherited = {n: v for n, v in os.environ.items() if not n.startswith(hidden)}
        return {
            **inherited,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": "src",
            "DVC_NO_ANALYTICS": "1",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            **self.env,
            **env,
        }

    def dvc(self, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        done = self.run("-m", "dvc", *words, **env)
        self.settle()
        return done

    def settle(self) -> None:
        """Wait until everything is recorded: on a busy machine stages do not wait so long."""
        end = time.monotonic() + SETTLE_SECONDS
        while any((self.root / ".state/outbox").glob("*")):
            assert time.monotonic() < end, (self.root / ".state/record.log").read_text()
            time.sleep(0.5)

    def tagger(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.run("-m", "captcha_tagger.commands.cli", *words, check=check)

    def set_params(self, **sections: dict[str, Any]) -> None:
        yaml, path = YAML(), self.root / "params.yaml"
        params = yaml.load(path)
        for name, values in sections.items():
            params[name].update(values)
        yaml.dump(params, path)

    def scores(self) -> dict[str, Any]:
        return read_scores(self.root / "data/evaluate")


def make_project(root: Path, **sections: dict[str, Any]) -> Project:
    """One in which DVC has yet to run, but finds in its cache what precedes training."""
    project = _begin(root, sections)
    shutil.copytree(_compute_beginning(), root / ".dvc" / "cache")
    return project


@cache
def _compute_beginning() -> Path:
    """DVC's cache after the stages before training, which all projects have in common."""
    folder = Path(tempfile.mkdtemp(prefix="projects-"))
    atexit.register(shutil.rmtree, folder)
    project = _begin(folder / "project", {})
    project.dvc("repro", "sample", "split", "backbone")
    return project.root / ".dvc" / "cache"


def _begin(root: Path, sections: dict[str, dict[str, Any]]) -> Project:
    root.mkdir(parents=True)
    for name in ("src", "stages"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in (
        "dvc.yaml",
        ".dvcignore",
        ".gitignore",
    ):
        shutil.copyfile(ROOT / name, root / name)
    shutil.copyfile(PARAMS_FILE, root / "params.yaml")
    (root / "labels.csv").write_text("file,text\n")
    (root / "corrections.csv").write_text("file,text,why\n")
    (root / "data").mkdir()
    (root / "data" / ".gitkeep").touch()
    draw_images(root / "images")
    project = Project(root)
    project.set_params(**TINY)
    project.set_params(**sections)
    project.run("git", "init", "-q")
    project.run("git", "config", "user.email", "test@example.org")
    project.run("git", "config", "user.name", "Test")
    project.dvc("init", "-q")
    project.run("git", "add", "-A")
    project.run("git", "commit", "-qm", "start")
    return project


def draw_images(folder: Path, num_images: int = 40) -> None:
    generator = random.Random(0)
    folder.mkdir()
    for number in range(num_images):
        text = "".join(generator.choice(LETTERS) for _ in range(4))
        image = Image.new("L", (100, 32), 255)
        ImageDraw.Draw(image).text((10, 8), text, fill=0, font_size=18)
        image.save(folder / f"{text}_{number}.png")


@dataclass(frozen=True)
class Recorded:
    """One parent run and its nested runs, as a reader of the store sees them."""

    run_id: str
    status: str
    params: dict[str, str]
    tags: dict[str, str]
    metrics: dict[str, float]
    curves: dict[str, list[tuple[int, float]]]
    phases: dict[str, "Recorded"]
    digests: dict[str, str]
    artifacts: list[str]
    models: int
    seconds: float


CURVES = ("step/loss", "step/learning_rate", "epoch/train_loss", "epoch/validation_loss")


def read_store(uri: str, experiment: str = "captcha-tagger") -> list[Recorded]:
    """Every parent row of the experiment, the oldest first."""
    from mlflow import MlflowClient  # three seconds that most tests need not wait

    client = MlflowClient(uri)
    found = client.get_experiment_by_name(experiment)
    if found is None:
        return []
    runs = client.search_runs([found.experiment_id], order_by=["attributes.start_time ASC"])
    models = client.search_logged_models([found.experiment_id])

    def read(run: Any) -> Recorded:
        run_id = run.info.run_id
        return Recorded(
            run_id,
            run.info.status,
            run.data.params,
            run.data.tags,
            run.data.metrics,
            {
                name: sorted((m.step, m.value) for m in client.get_metric_history(run_id, name))
                for name in CURVES
            },
            {
                r.data.tags["captcha_tagger.role"]: read(r)
                for r in runs
                if r.data.tags.get("mlflow.parentRunId") == run_id
            },
            {i.dataset.name: i.dataset.digest for i in run.inputs.dataset_inputs},
            sorted(artifact.path for artifact in client.list_artifacts(run_id)),
            sum(model.source_run_id == run_id for model in models),
            ((run.info.end_time or 0) - run.info.start_time) / 1000,
        )

    return [read(run) for run in runs if "mlflow.parentRunId" not in run.data.tags]


def read_curve(folder: Path, name: str, column: str) -> list[tuple[int, float]]:
    """A column of a history file in the folder, by step."""
    lines = (folder / name).read_text().splitlines()
    header = lines[0].split(",")
    rows = (dict(zip(header, line.split(","), strict=True)) for line in lines[1:])
    return [(int(row["step"]), float(row[column])) for row in rows]
