"""The code that a stage depends on, as dvc.yaml lists it: the one definition of "its code"."""

from pathlib import Path

from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[3]  # where this code's own dvc.yaml lies
CODE = ("src/", "stages/")


def list_code(stage: str) -> list[Path]:
    """Every file of the stage's code deps, sorted."""
    deps = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"][stage]["deps"]
    paths = [ROOT / dep for dep in deps if dep.startswith(CODE)]
    files = [file for path in paths for file in (path.rglob("*") if path.is_dir() else [path])]
    return sorted(file for file in files if file.is_file() and "__pycache__" not in file.parts)
