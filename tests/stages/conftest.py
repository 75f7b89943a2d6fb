"""One tiny run of the stages, in this process, that their tests look at."""

import runpy
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from ruamel.yaml import YAML

from tests.repository import PARAMS_FILE, ROOT

TINY = {
    "sample": {"images": 40, "characters": "abcdef", "length": 3},
    "backbone": {"source": "random"},
    "train_head": {"epochs": 1, "batch_size": 8},
    "fine_tune": {"epochs": 2, "batch_size": 8},
    "evaluate": {"resamples": 100},
    "compute": {"device": "cpu", "threads": 1, "precision": "float32"},
}


class Workspace:
    """A folder with tiny params in which stages run as DVC would run them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.data.mkdir()
        (self.data / ".gitkeep").touch()
        self.change({})

    def change(self, changes: dict[str, dict[str, object]]) -> None:
        """Write params.yaml: the tests' own, the tiny changes, then these."""
        yaml = YAML()
        params = yaml.load(PARAMS_FILE)
        for tiny in (TINY, changes):
            for section, values in tiny.items():
                params[section].update(values)
        yaml.dump(params, self.folder / "params.yaml")

    def run(self, stage: str, *paths: str) -> int:
        """Run a stage script; its paths are relative to data/. Returns the exit code."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", [stage, *(str(self.data / path) for path in paths)])
            patch.setenv("DVC_ROOT", str(self.folder))
            patch.chdir(self.folder)
            try:
                runpy.run_path(str(ROOT / "stages" / f"{stage}.py"), run_name="__main__")
            except SystemExit as end:
                return int(end.code or 0)
        raise AssertionError(f"{stage} did not exit")

    def read(self, *path: str) -> bytes:
        return self.data.joinpath(*path).read_bytes()


COMMANDS = [
    ("sample", "sample/samples"),
    ("ingest", "ingest"),
    ("split", "ingest", "split"),
    ("backbone", "backbone"),
    ("train_head", "ingest", "split", "backbone", "train_head"),
    ("fine_tune", "ingest", "split", "train_head", "fine_tune"),
    ("evaluate", "ingest", "split", "fine_tune", "evaluate"),
]


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A workspace after all stages up to evaluate; read it, do not change it."""
    workspace = Workspace(tmp_path_factory.mktemp("trained"))
    threads = torch.get_num_threads()
    for command in COMMANDS:
        assert workspace.run(*command) == 0, command
    yield workspace
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)
