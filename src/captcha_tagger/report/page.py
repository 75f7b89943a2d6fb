"""One self-contained HTML page from a template: styles and script inlined, nothing else allowed.

The page's Content-Security-Policy names the hashes of its own style and script, so that nothing a
file name smuggles in could run or reach out.
"""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from captcha_tagger.base.files import atomic_file


def write_page(
    path: Path, template: str, *, style: Sequence[str], script: Sequence[str], data: Any,
    context: Mapping[str, Any],
) -> None:  # fmt: skip
    """Render the template with the context; `data` becomes the JSON block that the script reads.

    A page without script allows none.
    """
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("captcha_tagger.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = format_percent
    environment.filters["signed"] = format_change
    css, javascript = _join(style), _join(script)
    text = environment.get_template(template).render(
        **context,
        style=Markup(css),
        script=Markup(javascript),
        data=Markup(_escape_json(data)),
        policy=f"default-src 'none'; img-src data:; style-src {_hash(css)}; "
        f"script-src {_hash(javascript)}; base-uri 'none'; form-action 'none'",
    )
    with atomic_file(path) as beside:
        beside.write_text(text, encoding="utf-8", newline="\n")


def format_percent(share: float, digits: int = 1) -> str:
    """A share as a percentage that is 100 only when nothing is missing."""
    text = f"{100 * share:.{digits}f}"
    if share < 1 and float(text) == 100:
        text = f"{100 - 10**-digits:.{digits}f}"
    return f"{text}\N{NO-BREAK SPACE}%"


def format_change(share: float, digits: int = 1) -> str:
    """A difference of shares in percentage points, with its sign: `+1.2`, `−0.4`, `0.0`."""
    text = f"{100 * share:+.{digits}f}"
    return text[1:] if float(text) == 0 else text.replace("-", "−")


def _join(names: Sequence[str]) -> str:
    folder = resources.files("captcha_tagger.report") / "templates"
    return "\n".join((folder / name).read_text(encoding="utf-8") for name in names)


def _hash(text: str) -> str:
    """Source: https://www.w3.org/TR/CSP3/#framework-directive-source-list, hash-source."""
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'" if text else "'none'"


def _escape_json(data: Any) -> str:
    """JSON that cannot end the script element that holds it."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
