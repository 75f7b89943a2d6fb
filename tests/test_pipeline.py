"""dvc.yaml against the code: DVC does not follow imports, so its deps are checked here."""

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import grimp
import pytest
import yaml

from captcha_tagger.params import Params, load_params
from tests.conftest import Finished
from tests.repository import PACKAGE, PARAMS_FILE, ROOT
from tests.whole import copy_repository, run_dvc

STAGES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
FOLDERS = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))
WITHOUT_TORCH = ["ingest", "split", "top_losses"]
MOST_CODE_DEPS = 7


def list_rows() -> list[tuple[str, list[str]]]:
    """The table of docs/stages.md: a folder, and the stages that a change of it re-runs."""
    text = (ROOT / "docs" / "stages.md").read_text()
    rows = re.findall(r"^\| `(\w+)/` \| (.+?) \|", text, re.MULTILINE)
    return [(folder, re.findall(r"`(\w+)`", cell)) for folder, cell in rows]


def list_deps(stage: str) -> list[str]:
    return STAGES[stage]["deps"]


def list_code(stage: str) -> list[str]:
    return [dep for dep in list_deps(stage) if dep.startswith(("src/", "stages/"))]


def list_folders(stage: str) -> set[str]:
    return {Path(dep).name for dep in list_code(stage) if dep.startswith("src/")}


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("captcha_tagger", cache_dir=None)


def test_the_stages_are_those_of_the_params_in_their_order() -> None:
    assert set(STAGES) | {"read", "serve", "compute"} == set(Params.model_fields)


@pytest.mark.parametrize("stage", STAGES)
def test_one_token_names_stage_script_and_folder(stage: str) -> None:
    assert f"stages/{stage}.py" in list_deps(stage)
    assert all(out.startswith(f"data/{stage}") for out in STAGES[stage]["outs"])
    assert STAGES[stage]["desc"]
    assert stage in STAGES[stage]["params"]


@pytest.mark.parametrize("stage", STAGES)
def test_deps_are_the_folders_that_the_stage_imports_from(
    stage: str, graph: grimp.ImportGraph
) -> None:
    script = ast.parse((ROOT / "stages" / f"{stage}.py").read_text())
    imported = {
        found
        for node in ast.walk(script)
        if isinstance(node, ast.ImportFrom)
        for name in (str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names))
        if (found := name) in graph.modules
    }
    needed = imported.union(*(graph.find_upstream_modules(module) for module in imported))
    assert list_folders(stage) == {name.split(".")[1] for name in needed if "." in name}
    assert len(list_code(stage)) <= MOST_CODE_DEPS


def test_the_table_of_what_re_runs_what_has_every_folder() -> None:
    assert sorted(folder for folder, _ in list_rows()) == FOLDERS


@pytest.mark.parametrize(("folder", "stages"), list_rows())
def test_the_table_says_which_stages_depend_on_a_folder(folder: str, stages: list[str]) -> None:
    assert stages == [stage for stage in STAGES if folder in list_folders(stage)]


@pytest.mark.slow
def test_a_touched_file_re_runs_the_stages_of_its_folders_row(
    finished: Finished, tmp_path: Path
) -> None:
    root = copy_repository(finished.root, tmp_path / "copy")
    for folder, stages in list_rows():
        touched = root / "src" / "captcha_tagger" / folder / "__init__.py"
        content = touched.read_text()
        touched.write_text(content + "# touched\n")
        changed = yaml.safe_load(run_dvc(root, "status", "--json").stdout)
        assert list(changed) == stages, folder
        touched.write_text(content)


@pytest.mark.parametrize("stage", STAGES)
def test_every_path_in_a_command_is_a_dep_or_an_out(stage: str) -> None:
    words = STAGES[stage]["cmd"].replace('"', "").split()
    known = [*list_deps(stage), *STAGES[stage]["outs"]]
    for word in words:
        if "/" in word:
            assert word in known, word


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("key", ["compute", "compute.workers", "compute.save_every_seconds"])
def test_what_changes_no_bit_re_runs_nothing(stage: str, key: str) -> None:
    assert key not in STAGES[stage]["params"]


@pytest.mark.parametrize("stage", STAGES)
def test_no_param_stands_in_a_command(stage: str) -> None:
    """`ingest.source` did, and so was shell code: backticks ran, `$` and quotes broke it."""
    assert "${" not in STAGES[stage]["cmd"]


def test_other_weights_under_the_same_path_make_another_backbone() -> None:
    """DVC took the old result: the file's content was no dependency."""
    assert "${backbone.file}" in STAGES["backbone"]["deps"]
    assert (ROOT / load_params(PARAMS_FILE).backbone.file).is_file()


@pytest.mark.parametrize("stage", WITHOUT_TORCH)
def test_stages_without_torch_import_neither_it_nor_mlflow(stage: str) -> None:
    code = (
        f"import runpy, sys; runpy.run_path('stages/{stage}.py');"
        "slow = {'torch', 'mlflow', 'sklearn', 'matplotlib.pyplot'};"
        "assert not slow & set(sys.modules), 'slow import'"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"PYTHONPATH": "src"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr


def test_the_repository_holds_no_data() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "data"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    files = [name for name in listed.stdout.split("\n") if name and not name.endswith(".dvc")]
    assert files in ([], ["data/.gitkeep"])  # none where this is no repository


@pytest.mark.own_params
def test_other_texts_under_the_same_path_make_another_set() -> None:
    assert {"${ingest.labels}", "${ingest.corrections}"} <= set(STAGES["ingest"]["deps"])
    params = load_params(ROOT / "params.yaml").ingest
    assert Path(ROOT, params.labels).is_file()
    assert Path(ROOT, params.corrections).is_file()
