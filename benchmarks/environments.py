"""Other people's packages in environments of their own."""

import json
import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from captcha_tagger.base.files import write_json
from captcha_tagger.base.places import state_folder


def make_environment(name: str, packages: Sequence[str]) -> Path:
    """The python of .state/peers/NAME, made anew where it has other packages than these."""
    folder = state_folder() / "peers" / name
    python, made_of = folder / "bin" / "python", folder / "made-of.json"
    if not made_of.exists() or json.loads(made_of.read_text()) != list(packages):
        print(f"making the environment {name}: {', '.join(packages)}", file=sys.stderr)
        uv = shutil.which("uv")
        venv.create(folder, clear=True, symlinks=True, with_pip=uv is None)
        with_uv = [uv, "pip", "install", "--compile-bytecode", "--python", python]
        install = with_uv if uv else [python, "-m", "pip", "install"]
        subprocess.run([*install, "--quiet", *packages], check=True)
        write_json(made_of, list(packages))
    return python


def pin(*names: str) -> list[str]:
    """The packages in the versions that run here, without their builds (`2.11.0`, not `+cpu`)."""
    return [f"{name}=={version(name).partition('+')[0]}" for name in names]
