"""Where the repository under test lies."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "captcha_tagger"
PARAMS_FILE = ROOT / "tests" / "params.yaml"
