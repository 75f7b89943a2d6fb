"""What a store that is dead or slow costs a training: `dvc repro` of fine_tune, in turns.

    python benchmarks/dead_store.py [--runs 3] [--epochs 60]

Run it in a repository whose pipeline has run. It changes nothing there: it works in a copy, cache
and all. Prints the seconds that the training itself took (facts.json) with a store that
answers, one that refuses and one that answers after ten seconds.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from tabulate import tabulate

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.servers import late_server  # noqa: E402  # the servers that the tests use


def main() -> None:
    parser = argparse.ArgumentParser(usage=__doc__.replace("%", "%%"))
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=60)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, late_server() as late:
        root = make_copy(Path(folder) / "repository")
        stores = {
            "answers": f"sqlite:///{root / 'mlflow.db'}",
            "refuses": "http://127.0.0.1:9",
            "answers 503 after 10 s": late,
        }
        seconds: dict[str, list[float]] = {name: [] for name in stores}
        for run in range(args.runs):
            for name, uri in stores.items():
                seconds[name].append(train(root, uri, args.epochs, seed=run))
                print(f"{name}: {seconds[name][-1]:.1f} s", flush=True)
    usual = statistics.median(seconds["answers"])
    rows = [
        [name, statistics.median(s), min(s), max(s), f"{statistics.median(s) / usual - 1:+.1%}"]
        for name, s in seconds.items()
    ]
    print(tabulate(rows, ["store", "median s", "min", "max", "slower"], "github", floatfmt=".1f"))


def make_copy(root: Path) -> Path:
    """The code, params and data here, without the state of earlier runs."""
    ignore = shutil.ignore_patterns(".state", ".venv", "mlruns", "mlflow.db", "__pycache__")
    shutil.copytree(Path.cwd(), root, ignore=ignore)
    return root


def train(root: Path, uri: str, epochs: int, seed: int) -> float:
    """Seconds of fine-tuning, by its own clock, with this store."""
    words = ["exp", "run", "--force", "--single-item", "fine_tune"]
    changes = ["-S", f"fine_tune.epochs={epochs}", "-S", f"fine_tune.seed={seed}"]
    environment = {**os.environ, "MLFLOW_TRACKING_URI": uri, "PYTHONPATH": "src"}
    environment.pop("DVC_ROOT", None)
    shutil.rmtree(root / ".state", ignore_errors=True)
    subprocess.run(
        [sys.executable, "-m", "dvc", *words, *changes],
        cwd=root, env=environment, check=True, capture_output=True,
    )  # fmt: skip
    (facts,) = (root / ".state/facts").glob("fine_tune-*/facts.json")
    return float(json.loads(facts.read_text())["wall_seconds"])


if __name__ == "__main__":
    main()
