"""What a kill inside DVC's own writing leaves behind is set aside, so that `dvc repro` goes on.

DVC 3.67 writes dvc.lock and .dvc/tmp/rwlock in place; killed within those milliseconds it refuses
every later command. A finished stage is in DVC's run cache before it is in dvc.lock, so that
without the file `dvc repro` brings it back and computes nothing twice.

python -m captcha_tagger.reproduce.recover
"""

import json
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import zc.lockfile
from dvc.schema import COMPILED_LOCKFILE_SCHEMA
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from voluptuous import Invalid


def recover(root: Path) -> list[str]:
    """Set damaged bookkeeping of DVC aside unless DVC is at work; a line for each file."""
    lines = []
    with ExitStack() as stack:
        try:
            for name in ("lock", "rwlock.lock"):
                if (root / ".dvc" / "tmp" / name).exists():
                    lock = zc.lockfile.LockFile(str(root / ".dvc" / "tmp" / name))
                    stack.callback(lock.close)
        except zc.lockfile.LockError:
            return []
        for path, check in _CHECKS.items():
            if reason := _judge(root / path, check):
                aside = (root / path).with_suffix(".damaged")
                (root / path).replace(aside)
                lines.append(f"{path} was cut off ({reason}): set aside as {aside.name}")
    return lines


def _judge(path: Path, check: Callable[[str], object]) -> str | None:
    """Why DVC would refuse the file; None for a sound or missing one."""
    try:
        check(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (ValueError, YAMLError, Invalid) as error:
        return str(error).split("\n")[0]
    return None


_CHECKS: dict[str, Callable[[str], object]] = {
    "dvc.lock": lambda text: COMPILED_LOCKFILE_SCHEMA(YAML(typ="safe").load(text) or {}),
    ".dvc/tmp/rwlock": json.loads,
}

if __name__ == "__main__":
    for line in recover(Path.cwd()):
        print(line, file=sys.stderr)
