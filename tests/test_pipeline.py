"""dvc.yaml against the code: DVC does not follow imports, so its deps are checked here."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from captcha_tagger.params import Params
from tests.imports import PACKAGE, ROOT, needed_modules

STAGES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
WITHOUT_TRAINING = ["sample", "ingest", "split", "evaluate", "top_losses"]


def paths(stage: str, key: str) -> list[str]:
    return [next(iter(e)) if isinstance(e, dict) else e for e in STAGES[stage].get(key, [])]


def test_the_stages_are_those_of_the_params_in_their_order() -> None:
    assert set(STAGES) | {"compute"} == set(Params.model_fields)


@pytest.mark.parametrize("stage", STAGES)
def test_one_token_names_stage_script_and_folder(stage: str) -> None:
    assert f"stages/{stage}.py" in paths(stage, "deps")
    assert all(out.startswith(f"data/{stage}") for out in paths(stage, "outs"))
    assert STAGES[stage]["desc"]
    assert stage in STAGES[stage]["params"]


@pytest.mark.parametrize("stage", STAGES)
def test_deps_are_the_modules_that_the_stage_imports(stage: str) -> None:
    listed = {dep for dep in paths(stage, "deps") if dep.startswith("src/")}
    needed = needed_modules(ROOT / "stages" / f"{stage}.py")
    needed |= {str(PACKAGE.relative_to(ROOT) / "templates")} if uses_templates(needed) else set()
    assert sorted(listed) == sorted(needed)


def uses_templates(modules: set[str]) -> bool:
    return any('"templates"' in (ROOT / module).read_text() for module in modules)


@pytest.mark.parametrize("stage", STAGES)
def test_every_path_in_a_command_is_a_dep_or_an_out(stage: str) -> None:
    words = STAGES[stage]["cmd"].replace('"', "").split()
    known = [*paths(stage, "deps"), *paths(stage, "outs")]
    for word in words:
        if "/" in word:
            assert word in known, word


@pytest.mark.parametrize("stage", WITHOUT_TRAINING)
def test_stages_without_training_import_neither_torch_nor_mlflow(stage: str) -> None:
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
    assert [path.name for path in Path(ROOT / "data").iterdir() if path.is_file()] == [".gitkeep"]
