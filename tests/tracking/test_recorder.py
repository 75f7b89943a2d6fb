"""What the recorder makes of the files that stages and trainings leave, without a store."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from captcha_tagger.base.files import write_json
from captcha_tagger.base.places import state_folder
from captcha_tagger.base.record import record_now, start_recorder, wait_for_copies
from captcha_tagger.engine.journal import Journal, read_facts
from captcha_tagger.tracking import outbox, recorder, sampling
from captcha_tagger.tracking.lineage import read_lineage
from captcha_tagger.tracking.row import RunRow
from tests.repository import ROOT
from tests.tracking.repository import STAGES, make_row, write_yaml

# Recorders outlive their callers, here as in DVC.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
DEAD_STORE = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def _under_dvc(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As DVC would run a stage here, with a store that does not answer."""
    monkeypatch.setenv("DVC_STAGE", "fine_tune")
    monkeypatch.setenv("DVC_ROOT", str(root))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", DEAD_STORE)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))
    monkeypatch.setattr("captcha_tagger.base.record.source_folder", lambda: ROOT / "src")


def read_outbox() -> list[RunRow]:
    return [row for _, row in outbox.waiting()]


def test_make_record_keeps_the_name_and_commit_of_what_waits(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an outage it replaced the waiting entry by one that knew neither."""
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "start"]):
        subprocess.run(["git", "-c", "user.name=T", "-c", "user.email=t@e", *words], check=True)
    with Journal("fine_tune", "0", {"device": "cpu"}, epochs=1, on_gpu=False):
        pass
    monkeypatch.setenv("DVC_EXP_NAME", "calm-owl")
    record_now("fine_tune")
    (waiting,) = read_outbox()
    monkeypatch.delenv("DVC_EXP_NAME")
    subprocess.run(["git", "-c", "user.name=T", "-c", "user.email=t@e", "commit", "-qm", "later",
                    "--allow-empty"], check=True)  # fmt: skip
    with pytest.raises(OSError, match="does not answer"):
        recorder.record_workspace()
    (row,) = read_outbox()
    assert row.tags["mlflow.runName"] == row.tags["dvc.exp_name"] == "calm-owl"
    assert row.tags["mlflow.source.git.commit"] == waiting.tags["mlflow.source.git.commit"]
    assert row.metrics["wall_seconds"] == waiting.metrics["wall_seconds"]


def test_what_dvc_has_run_of_the_users_own_stages_is_no_obstacle(root: Path) -> None:
    """DVC leaves out of dvc.lock what a stage has none of; a folder beside data/ is not ours."""
    own = {
        "site": {"cmd": "mkdir site && echo made > site/index.html", "outs": ["site"]},
        "deploy": {"cmd": "true", "deps": ["data/fine_tune", "site"]},
        "tell": {"cmd": "true", "deps": ["site"], "params": [{"own.yaml": ["to"]}]},
    }
    (root / "own.yaml").write_text("to: me\n")
    before = read_lineage(root)
    write_yaml(root / "dvc.yaml", {"stages": STAGES | own})
    for words in (["init", "-q", "--no-scm"], ["repro", "-q", "--single-item", *own]):
        subprocess.run([sys.executable, "-m", "dvc", *words], check=True)
    after = read_lineage(root)
    assert after.trusted == before.trusted | own.keys()
    assert after.key("fine_tune") == before.key("fine_tune")
    with pytest.raises(OSError, match="does not answer"):
        recorder.record_workspace()
    ((entry, row),) = outbox.waiting()
    assert "dvc.site" in row.tags
    assert "site:" in (entry / "artifacts" / "dvc.lock").read_text()
    assert (entry / "artifacts" / "evaluate" / "metrics.json").exists()
    assert not list((entry / "artifacts").rglob("index.html"))


def test_a_head_that_another_experiment_trained_does_not_name_this_one(root: Path) -> None:
    lineage = read_lineage(root)
    facts = {"started": 5, "tags": {}, "wall_seconds": 1.0, "status": "FINISHED", "pid": 1}
    folder = state_folder() / "facts" / f"train_head-{lineage.key('train_head')}"
    theirs = {"row": "another", "origin": {"mlflow.runName": "theirs"}}
    write_json(folder / "facts.json", {**facts, **theirs})
    with pytest.raises(OSError, match="does not answer"):
        recorder.record_workspace()
    (row,) = read_outbox()
    assert row.tags["mlflow.runName"].startswith("kaggle ")
    assert row.phases["train_head"].tags["restored_from"] == "another"


@pytest.mark.parametrize(
    ("error", "status"), [(ValueError, "FAILED"), (KeyboardInterrupt, "KILLED")]
)
def test_a_training_that_ends_early_is_recorded_as_it_ended(
    error: type[BaseException], status: str
) -> None:
    """One that failed was not recorded, or said to be killed."""
    with pytest.raises(error), Journal("fine_tune", "0", {}, epochs=1, on_gpu=False):
        raise error
    (row,) = read_outbox()
    assert (row.status, row.phases["fine_tune"].status) == (status, status)
    assert row.model is None


def test_a_killed_training_is_recorded_as_killed(root: Path) -> None:
    journal = state_folder() / "live" / "fine_tune-0"
    with subprocess.Popen(["sleep", "600"]) as training:
        now = time.time_ns() // 1_000_000
        facts = {"pid": training.pid, "resumed": now, "started": now, "tags": {}}
        write_json(journal / "facts.json", {**facts, "wall_seconds": 1.0, "status": "RUNNING"})
        assert sampling.is_alive(read_facts(journal))
        training.kill()
    assert not sampling.is_alive(read_facts(journal))
    words = [sys.executable, "-m", "captcha_tagger.tracking.recorder", "follow", str(journal)]
    # In a session of its own, as it gives all of its session the lowest priority.
    subprocess.run(words, check=True, stderr=subprocess.DEVNULL, start_new_session=True)
    (row,) = read_outbox()
    assert row.status == "KILLED"


def test_a_recorder_outlives_the_copy_that_it_was_started_in(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under --queue DVC removed its folder first, and the store was said not to answer."""
    copy = shutil.copytree(root, tmp_path / "copy")
    monkeypatch.chdir(copy)
    with start_recorder("soon", "fine_tune", str(os.getpid())) as process:
        wait_for_copies(process)
        assert Path(f"/proc/{process.pid}/cwd").readlink() == root
        shutil.rmtree(copy)
        process.kill()


def test_what_the_next_stage_takes_along_is_not_recorded_twice(root: Path) -> None:
    """Each short stage loaded MLflow beside the next, for more time than it had taken itself."""
    with start_recorder("soon", "fine_tune", str(os.getpid())) as process:
        wait_for_copies(process)
        (entry,) = outbox.outbox().iterdir()
        shutil.rmtree(entry)  # as the next one does, once it is in the store
        assert process.wait() == 0  # which it could not reach itself


@pytest.mark.parametrize("text", ["", "[]", '{"tags": 1}', '{"pid": 1}', "\x00", "null"])
def test_foreign_facts_stop_no_training(text: str) -> None:
    """An empty facts.json stopped that training at every start."""
    folder = state_folder() / "live" / "fine_tune-0"
    folder.mkdir(parents=True)
    (folder / "facts.json").write_text(text)
    with Journal("fine_tune", "0", {}, epochs=1, on_gpu=False):
        pass
    assert read_facts(folder)["status"] == "FINISHED"


def test_a_resumed_training_adds_to_the_seconds_that_it_has_taken() -> None:
    facts = {"pid": 1, "resumed": 5, "started": 5, "tags": {}, "wall_seconds": 100.0}
    folder = state_folder() / "live" / "fine_tune-0"
    write_json(folder / "facts.json", {**facts, "status": "KILLED"})
    with Journal("fine_tune", "0", {}, epochs=1, on_gpu=False):
        pass
    told = read_facts(folder)
    assert told["started"] == 5
    assert 100 < told["wall_seconds"] < 130


@pytest.mark.parametrize("tool", ["exit 3", "echo no numbers", "printf '\\xff'", "echo 1,[N/A]"])
def test_a_broken_nvidia_smi_ends_nothing(
    tool: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\n{tool}\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sampling, "CPU_SECONDS", 0.01)
    sampling.sample_process({"pid": os.getpid(), "started": 0}, tmp_path / "system.csv")
    assert "system/cpu_utilization_percentage" in (tmp_path / "system.csv").read_text()


def test_a_journal_that_goes_while_it_is_sampled_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "CPU_SECONDS", 0.01)
    sampling.sample_process({"pid": os.getpid(), "started": 0}, tmp_path / "gone" / "system.csv")
    assert not (tmp_path / "gone").exists()


@pytest.mark.parametrize("text", ["", "{", '{"row": {}}', '{"row": {"x": 1}, "journal": ""}', "[]"])
def test_an_entry_that_cannot_be_read_is_set_aside_with_a_line(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One bad entry held up every other."""
    outbox.put(make_row(), 2)
    (outbox.outbox() / "1-bad").mkdir()
    (outbox.outbox() / "1-bad" / "row.json").write_text(text)
    (outbox.outbox() / "stray").write_text("no entry at all")
    assert [row.key for row in read_outbox()] == ["key"]
    assert capsys.readouterr().err.count("\n") == 2
    assert {path.name for path in (state_folder() / "set_aside").iterdir()} == {"1-bad", "stray"}


def test_a_live_row_never_takes_the_place_of_a_trained_one() -> None:
    outbox.put(make_row(tags={"dvc.fine_tune": "hash"}), 1)
    live = state_folder() / "live" / "fine_tune-0"
    live.mkdir(parents=True)
    for seen in (2, 3):
        outbox.put(make_row(status="RUNNING", journal=str(live)), seen)
    assert [row.status for row in read_outbox()] == ["FINISHED", "RUNNING"]
    live.rmdir()  # the training has ended, and its outputs say more
    assert [row.status for row in read_outbox()] == ["FINISHED"]


def test_a_live_row_of_any_store_goes_with_its_journal() -> None:
    outbox.put(make_row(status="RUNNING", journal="gone", store="another"), 1)
    assert not outbox.waiting("mine")
    assert not list(outbox.outbox().iterdir())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # MLflow's own
def test_a_late_recorder_leaves_what_is_meant_for_another_store(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It took the entry that `record` had made for the store of another environment."""
    with pytest.raises(OSError, match="does not answer"):
        recorder.record_workspace()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{shutil.copy('mlflow.db', tmp_path)}")
    record_now("fine_tune")
    assert count_runs(tmp_path / "mlflow.db") == 3
    (row,) = read_outbox()
    assert row.status == "FINISHED"
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    recorder.record_workspace()
    assert count_runs(root / "mlflow.db") == 3
    assert not read_outbox()


def count_runs(database: Path) -> int:
    with sqlite3.connect(database) as tables:
        return int(tables.execute("select count(*) from runs").fetchone()[0])


def test_a_full_disk_is_one_line_and_make_record_completes_it(
    root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The last stage printed a traceback, and nothing waited."""
    blocked = state_folder() / "outbox"
    blocked.parent.mkdir()
    blocked.write_text("here no folder can be made, as on a full disk")
    record_now("fine_tune")
    said = capfd.readouterr().err
    assert said.count("\n") == 1
    assert "`make record` completes it" in said
    blocked.unlink()
    with pytest.raises(OSError, match="does not answer"):
        recorder.record_workspace()
    assert len(read_outbox()) == 1


def test_what_was_killed_a_month_ago_is_swept_and_nothing_younger(root: Path) -> None:
    old, young = time.time() - 40 * 86400, time.time() - 20 * 86400
    for name, then in (("old", old), ("young", young)):
        for path in (f"live/fine_tune-{name}/facts.json", f"resume/fine_tune-{name}.pt"):
            file = state_folder() / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("{}")
            for touched in (file, file.parent):
                os.utime(touched, (then, then))
    with Journal("fine_tune", "0", {}, epochs=1, on_gpu=False):
        pass
    record_now("fine_tune")
    left = {path.name for kind in ("live", "resume") for path in (state_folder() / kind).iterdir()}
    assert left == {"fine_tune-young", "fine_tune-young.pt"}


def test_the_code_that_serves_is_whole_and_no_more(tmp_path: Path) -> None:
    """An entry held all of the package; a model served from its own code must import."""
    outbox.copy_code(ROOT / outbox.PACKAGE, tmp_path)
    assert not (tmp_path / "captcha_tagger" / "tracking").exists()
    script = "import captcha_tagger.predict.serving as s, json; print(json.dumps(s.__file__))"
    run = subprocess.run(
        [sys.executable, "-P", "-c", script],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(json.loads(run.stdout)).is_relative_to(tmp_path)
