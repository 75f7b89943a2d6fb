"""The MLflow store after everything that DVC can do: real dvc, real stores."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Self, TypeVar

import psutil
import pytest

from captcha_tagger.engine.journal import FOLLOW_AFTER_SECONDS, read_facts
from tests.project import Project, Recorded, make_project, read_curve, read_store
from tests.servers import late_server, mlflow_server, postgres

T = TypeVar("T")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3000),
    pytest.mark.filterwarnings("ignore"),  # MLflow's own
]


def check_row(project: Project, row: Recorded, *, fine_tune: dict[str, str] | None = None) -> None:
    """The row is complete, and all that it says is what the files on disk say."""
    data = project.root / "data"
    assert row.status == "FINISHED"
    assert set(row.phases) == {"train_head", "fine_tune"}
    head, tune = data / "train_head", data / "fine_tune"
    for name, file, column in (
        ("step/loss", "steps.csv", "loss"),
        ("epoch/validation_loss", "epochs.csv", "validation_loss"),
    ):
        curve = read_curve(head, file, column) + read_curve(tune, file, column)
        assert row.curves[name] == curve
        assert row.phases["train_head"].curves[name] == read_curve(head, file, column)
        assert row.phases["fine_tune"].curves[name] == read_curve(tune, file, column)
    scores = project.scores()
    for name in ("label_accuracy", "exact_set", "micro_f1", "loss"):
        assert row.metrics[name] == scores[name]
    assert row.metrics["exact_set_high"] == scores["intervals"]["exact_set"]["high"]
    assert {name for name in row.metrics if name.startswith("f1/")} == {f"f1/{c}" for c in "abc234"}
    assert row.tags["unfrozen_at_step"] == str(read_curve(tune, "steps.csv", "loss")[0][0])
    assert row.models == 1
    assert {"dvc.lock", "evaluate", "top_losses"} <= set(row.artifacts)
    assert row.params.items() >= (fine_tune or {}).items()
    for run in (row, *row.phases.values()):  # MLflow's column Duration
        assert abs(run.seconds - run.metrics.get("wall_seconds", 0)) < 0.001


@pytest.fixture(params=["sqlite", "postgresql"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """The store that the project uses by itself or by its environment, and an empty one."""
    if request.param == "sqlite":
        here = f"sqlite:///{tmp_path / 'project' / 'mlflow.db'}"
        yield here, f"sqlite:///{tmp_path / 'another.db'}"
        return
    with postgres() as database, mlflow_server(database, tmp_path / "server") as server:
        yield server.uri, server.uri


def test_one_row_an_experiment_through_every_way_of_dvc(
    tmp_path: Path, stores: tuple[str, str]
) -> None:
    project = make_project(tmp_path / "project")
    store, another = stores
    project.env = {} if store.startswith("sqlite") else {"MLFLOW_TRACKING_URI": store}

    project.dvc("repro")
    (first,) = read_store(store)
    check_row(project, first)
    key = first.tags["captcha_tagger.key"]
    assert first.tags["mlflow.runName"] == f"images {key[:8]}"
    assert first.digests["data/ingest"] in (project.root / "dvc.lock").read_text()

    project.dvc("repro")
    assert read_store(store) == [first]

    project.set_params(evaluate={"threshold": 0.9})
    project.dvc("repro")
    (again,) = read_store(store)
    check_row(project, again)
    assert again.run_id == first.run_id
    assert again.metrics["threshold"] == 0.9
    assert again.tags["evaluate.threshold"] == "0.9"
    assert again.curves == first.curves

    project.dvc("exp", "run", "-n", "longer", "-S", "fine_tune.epochs=2")
    unchanged, longer = read_store(store)
    assert unchanged == again
    check_row(project, longer, fine_tune={"fine_tune.epochs": "2"})
    assert longer.tags["dvc.exp_name"] == "longer"
    head, restored = again.phases["train_head"], longer.phases["train_head"]
    assert restored.curves == head.curves
    assert restored.tags["restored_from"] == again.tags["captcha_tagger.key"]
    assert again.run_id not in (project.root / "dvc.lock").read_text()

    store = another
    project.env = {"MLFLOW_TRACKING_URI": store, "MLFLOW_EXPERIMENT_NAME": "anew"}
    project.run("sh", "-c", "rm -rf data/* .state/facts")
    project.dvc("checkout")
    project.dvc("repro")
    assert read_store(store, "anew") == []
    project.tagger("record")
    (refilled,) = read_store(store, "anew")
    check_row(project, refilled, fine_tune={"fine_tune.epochs": "2"})
    project.tagger("record")
    assert read_store(store, "anew") == [refilled]

    project.dvc("exp", "run", "--temp", "-n", "aside", "-S", "fine_tune.seed=5")
    _, aside = read_store(store, "anew")
    assert aside.tags["dvc.exp_name"] == "aside"
    assert aside.params["fine_tune.seed"] == "5"
    assert aside.status == "FINISHED"
    assert "exact_set" in aside.metrics
    assert aside.curves["step/loss"][:4] == refilled.curves["step/loss"][:4]

    seeds = ["11", "12", "13"]  # one more than workers
    for seed in seeds:
        project.dvc("exp", "run", "--queue", "-S", f"fine_tune.seed={seed}")
    # DVC's workers inherit the output, and one may outlive its queue: reading it would not end.
    project.run("sh", "-c", "dvc queue start -j 2 >/dev/null 2>&1")
    project.run("sh", "-c", "while dvc queue status | grep -E 'Queued|Running'; do sleep 2; done")
    project.settle()
    rows = read_store(store, "anew")
    assert rows[:2] == [refilled, aside]
    assert sorted(row.params["fine_tune.seed"] for row in rows[2:]) == seeds
    for row in rows[2:]:
        assert row.status == "FINISHED"
        assert set(row.phases) == {"train_head", "fine_tune"}
        assert len(row.curves["step/loss"]) == len(refilled.curves["step/loss"])
        assert "exact_set" in row.metrics
        assert row.models == 1


LONG = {"fine_tune": {"epochs": 400}}  # half a minute on a quiet core


def start_training(project: Project) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "dvc", "repro"],
        cwd=project.root,
        env=project.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(what: Callable[[], T | None]) -> T:
    """What is there in the end."""
    end = time.monotonic() + 400
    while (found := what()) is None:
        assert time.monotonic() < end
        time.sleep(0.5)
    return found


class Training:
    """The long fine-tuning of a project, once it is followed: it goes on only when it is told to.

    So it does not end before the test has looked, however long the recorder waits for a core. The
    time after which a training is followed passes without training.
    """

    def __init__(self, project: Project) -> None:
        """Wait until there is one."""
        self._live = project.root / ".state/live"
        self._process = wait_for(self._find)
        self._process.suspend()
        time.sleep(FOLLOW_AFTER_SECONDS)
        self._process.resume()
        wait_for(lambda: [c for c in self._process.children() if "follow" in c.cmdline()] or None)
        self._process.suspend()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(psutil.NoSuchProcess):
            self._process.kill()

    def _find(self) -> psutil.Process | None:
        facts = [read_facts(journal) for journal in self._live.glob("fine_tune-*")]
        return psutil.Process(facts[0]["pid"]) if facts and facts[0] else None

    def count_steps(self) -> int:
        """How many there are in the journal."""
        (journal,) = self._live.glob("fine_tune-*")
        return len(read_curve(journal, "steps.csv", "loss"))

    def train_more(self) -> None:
        steps = self.count_steps()
        self._process.resume()
        wait_for(lambda: self.count_steps() > steps or None)
        self._process.suspend()

    def train_on(self) -> None:
        self._process.resume()

    def kill(self) -> None:
        """Once its follower has sampled what it takes of the machine."""
        wait_for(lambda: [*self._live.glob("fine_tune-*/system.csv")] or None)
        self._process.kill()

    def wait_for_row(self, uri: str) -> Recorded:
        """The one row, once it has all points of the journal."""

        def find() -> Recorded | None:
            rows = read_store(uri)
            is_live = rows and rows[0].status == "RUNNING"
            return rows[0] if is_live and len(rows[0].curves["step/loss"]) >= points else None

        while (points := self.count_steps()) < 100:
            self.train_more()
        return wait_for(find)


def test_a_server_killed_and_restarted_in_training_ends_with_the_same_row(tmp_path: Path) -> None:
    with mlflow_server(f"sqlite:///{tmp_path / 'server.db'}", tmp_path / "server") as server:
        project = make_project(tmp_path / "project", **LONG)
        project.env = {"MLFLOW_TRACKING_URI": server.uri}
        log = project.root / ".state/record.log"
        process = start_training(project)
        with Training(project) as training:
            live = training.wait_for_row(server.uri)
            server.kill()
            training.train_more()
            wait_for(lambda: "does not answer" in log.read_text() or None)
            server.start()
            training.train_on()
            output, errors = process.communicate(timeout=900)
        assert process.returncode == 0, output + errors
        assert "Traceback" not in output + errors
        project.settle()
        (row,) = read_store(server.uri)
    check_row(project, row)
    assert row.curves["step/loss"][: len(live.curves["step/loss"])] == live.curves["step/loss"]
    project.env = {"MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path / 'calm.db'}"}
    project.tagger("record")
    (calm,) = read_store(project.env["MLFLOW_TRACKING_URI"])
    assert (calm.params, calm.metrics, calm.curves, calm.digests, calm.artifacts) == (
        row.params, row.metrics, row.curves, row.digests, row.artifacts
    )  # fmt: skip


def test_nothing_is_lost_when_no_server_answers_and_one_line_says_so(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    with late_server() as late:
        for address in ("http://127.0.0.1:9", late):
            seed = "1" if address == late else "0"
            run = project.run(
                "-m",
                "dvc",
                "exp",
                "run",
                "--temp",
                "-S",
                f"fine_tune.seed={seed}",
                MLFLOW_TRACKING_URI=address,
            )
            lines = [line for line in run.stderr.splitlines() if "make record" in line]
            assert len(lines) == 1
            assert "Traceback" not in run.stderr
    waiting = (project.root / ".state/outbox").glob("[0-9]*-*")
    assert len({entry.name.split("-")[1] for entry in waiting}) == 2
    project.tagger("record")
    rows = read_store(f"sqlite:///{project.root / 'mlflow.db'}")
    assert sorted(row.params["fine_tune.seed"] for row in rows) == ["0", "1"]
    for row in rows:
        assert "exact_set" in row.metrics
        assert row.status == "FINISHED"
        assert row.models == 1


def test_a_killed_training_shows_as_killed_and_a_resumed_one_as_finished(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", **LONG)
    store = f"sqlite:///{project.root / 'mlflow.db'}"
    read_store(store)  # creates the tables, which two processes at once cannot
    process = start_training(project)
    with Training(project) as training:
        training.wait_for_row(store)
        training.kill()
    process.communicate()
    killed = wait_for(lambda: next((r for r in read_store(store) if r.status == "KILLED"), None))
    project.dvc("repro")
    (row,) = read_store(store)
    check_row(project, row)
    assert row.run_id == killed.run_id
    assert any(name.startswith("system/") for name in row.phases["fine_tune"].metrics)


def test_a_training_that_fails_shows_as_failed(tmp_path: Path) -> None:
    """It was not recorded, or said to be killed."""
    project = make_project(tmp_path / "project")
    project.set_params(fine_tune={"learning_rates": [1e30, 1e30], "ema_decay": 0.0})
    assert project.run("-m", "dvc", "repro", check=False).returncode
    project.settle()
    (row,) = read_store(f"sqlite:///{project.root / 'mlflow.db'}")
    assert row.status == row.phases["fine_tune"].status == "FAILED"
    assert row.phases["train_head"].status == "FINISHED"
    assert row.tags["mlflow.runName"].startswith("images fine_tune.learning_rates=[1e+30, 1e+30] ")
    assert row.models == 0
