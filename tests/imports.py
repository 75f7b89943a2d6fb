"""Which files a stage script needs: the package modules it imports, directly or not."""

import ast
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "captcha_tagger"


def needed_modules(script: Path) -> set[str]:
    """Paths, relative to the root, of every package module that the script imports."""
    found: set[Path] = set()
    waiting = [script]
    while waiting:
        new = _imported(waiting.pop()) - found
        found |= new
        waiting += new
    return {str(path.relative_to(ROOT)) for path in found}


def _imported(path: Path) -> set[Path]:
    modules: set[Path] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names] + [str(node.module)]
        else:
            continue
        modules |= {found for name in names if (found := _module_file(name))}
    return modules


def _module_file(name: str) -> Path | None:
    package, _, module = name.partition(".")
    path = PACKAGE / f"{module}.py"
    return path if package == PACKAGE.name and module and path.exists() else None
