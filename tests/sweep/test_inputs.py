"""Data of the workspace that a clone would not have, and data that is read where it lies."""

import shutil
from functools import partial
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from captcha_tagger.base.errors import InputError
from captcha_tagger.sweep.inputs import check_inputs, find_inputs, identify_inputs, run_on
from captcha_tagger.sweep.trial import Outcome
from tests.buckets import Buckets
from tests.hostile import fill_folder
from tests.project import Project
from tests.repository import PARAMS_FILE, ROOT
from tests.sweep.sweeps import make_trial


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A Git and DVC repository with captchas that neither knows yet."""
    project = Project(tmp_path / "repository")
    fill_folder(project.root / "captchas")
    shutil.copyfile(ROOT / "dvc.yaml", project.root / "dvc.yaml")
    name_source(project, "captchas")
    project.run("git", "init", "-q")
    project.run("-m", "dvc", "init", "-q")
    return project


def name_source(project: Project, source: str) -> None:
    yaml = YAML()
    params = yaml.load(PARAMS_FILE)
    params["ingest"]["source"] = source
    yaml.dump(params, project.root / "params.yaml")


def check(project: Project) -> None:
    check_inputs(project.root, find_inputs(project.root, [{}]))


def test_images_that_came_after_dvc_add_are_refused(project: Project) -> None:
    """Trials got the data of before."""
    project.run("-m", "dvc", "add", "-q", "captchas")
    project.run("git", "add", "captchas.dvc")
    check(project)
    shutil.copyfile(next((project.root / "captchas").iterdir()), project.root / "captchas/new.png")
    with pytest.raises(InputError, match=r"^captchas: not as DVC's cache .*; dvc add captchas$"):
        check(project)
    project.run("-m", "dvc", "add", "-q", "captchas")
    check(project)


def test_a_sweep_of_such_data_does_not_begin(project: Project) -> None:
    project.env["PYTHONPATH"] = str(ROOT / "src")
    project.run("git", "add", "params.yaml")
    project.run("-m", "dvc", "add", "-q", "captchas")
    project.run("git", "add", "captchas.dvc", "dvc.yaml", ".gitignore")
    project.run("git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "start")
    (project.root / "captchas/new.png").touch()
    done = project.tagger("sweep", "--set", "split.seed=1,2", check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "captcha-tagger sweep: captchas: not as DVC's cache has it, and a trial runs in a clone; "
        "dvc add captchas\n"
    )
    assert not (project.root / ".state/sweeps").exists()


def test_images_that_the_cache_has_lost_are_refused(project: Project) -> None:
    """A trial got the others alone."""
    project.run("-m", "dvc", "add", "-q", "captchas")
    project.run("git", "add", "captchas.dvc")
    cached = (project.root / ".dvc/cache/files/md5").rglob("*")
    next(path for path in cached if path.is_file() and path.suffix != ".dir").unlink()
    with pytest.raises(InputError, match=r"^captchas: not as DVC's cache .*; dvc add captchas$"):
        check(project)


@pytest.mark.parametrize("is_ignored", [False, True])
def test_a_source_of_which_git_knows_a_part_is_refused(project: Project, is_ignored: bool) -> None:
    """Trials got that part."""
    project.run("git", "add", "captchas")
    check(project)
    (project.root / "captchas/new.png").touch()
    if is_ignored:
        (project.root / ".gitignore").write_text("new.png\n")
    with pytest.raises(InputError, match=r"^captchas/new.png: known neither .*; git add it$"):
        check(project)
    project.run("git", "add", "--force", "captchas")
    check(project)


@pytest.mark.parametrize("is_outside", [False, True])
def test_a_source_that_nobody_keeps_is_read_where_it_lies(
    project: Project, tmp_path: Path, is_outside: bool
) -> None:
    """And known again, however often it is asked for."""
    source = "captchas"
    if is_outside:
        (project.root / source).rename(tmp_path / source)
        source = str(tmp_path / source)
        name_source(project, source)
    paths = check_inputs(project.root, find_inputs(project.root, [{}]))
    assert paths == [source]
    before = identify_inputs(project.root, paths)
    assert identify_inputs(project.root, paths) == before
    (project.root / source / "new.png").touch()
    assert identify_inputs(project.root, paths) != before


def test_what_the_trials_name_is_looked_at_and_nothing_else(project: Project) -> None:
    """Of a folder that only a trial's settings named, DVC's older images were taken."""
    (project.root / "others").mkdir()
    trials = [{"ingest.source": source, "split.seed": "1"} for source in ("others", "nowhere")]
    paths = find_inputs(project.root, trials)
    assert "others" in paths
    assert not {"captchas", "nowhere"} & set(paths)


def test_what_dvc_fetches_for_a_stage_of_the_users_own_is_passed_over(project: Project) -> None:
    """It was taken for an address of ours, and refused."""
    yaml = YAML()
    pipeline = yaml.load(project.root / "dvc.yaml")
    pipeline["stages"]["own"] = {"cmd": "true", "deps": ["https://example.com/faces.zip"]}
    yaml.dump(pipeline, project.root / "dvc.yaml")
    assert not any("://" in path for path in find_inputs(project.root, [{}]))


def test_what_a_store_holds_is_known_again(
    project: Project, tmp_path: Path, buckets: Buckets
) -> None:
    address = buckets.make(fill_folder(tmp_path / "in"))
    name_source(project, address)
    paths = check_inputs(project.root, find_inputs(project.root, [{}]))
    assert paths == [address]
    before = identify_inputs(project.root, paths)
    assert identify_inputs(project.root, paths) == before
    buckets.put(f"{address}/new.png", b"")
    assert identify_inputs(project.root, paths) != before


def test_no_trial_begins_once_the_data_has_changed(tmp_path: Path) -> None:
    """Of one sweep, some had learned from other images."""
    fill_folder(tmp_path / "captchas")
    identify = partial(identify_inputs, tmp_path, ["captchas"])
    run = run_on(identify(), identify, lambda _: Outcome(1.0, {"exact_set": 1.0}))
    trial = make_trial(tmp_path, 1, {})
    assert run(trial).scores
    (tmp_path / "captchas/new.png").touch()
    outcome = run(trial)
    assert outcome.failure == "captchas: changed since the sweep began; begin another"
    assert outcome.failure in trial.log.read_text()
