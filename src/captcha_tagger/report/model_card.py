"""The model card: what the model is, how good it is and on what, and how to load it.

Results and params -> model_card.md. The same inputs give the same bytes.
Source: Mitchell et al., "Model Cards for Model Reporting" (2019).
"""

import re
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

from captcha_tagger.base.files import atomic_file
from captcha_tagger.base.shown import escape
from captcha_tagger.report.page import format_percent
from captcha_tagger.report.report import list_headlines
from captcha_tagger.report.results import Results


def write_model_card(path: Path, results: Results, params: Mapping[str, Any]) -> None:
    """Write the card of the model that answered; `params` are the sections that made it."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("captcha_tagger.report"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"percent": format_percent, "code": quote}
    text = environment.get_template("model_card.md.j2").render(
        reads=bool(results.readings),
        backbone=params["backbone"],
        head=params["train_head"]["head"],
        source=PurePath(params["ingest"]["source"]).name,
        train=len(results.train),
        validation=len(results.validation),
        lengths=sorted(results.summary.lengths),
        shape=results.pixels.shape[1:],
        vocabulary="".join(results.vocabulary),
        threshold=results.threshold,
        headlines=list_headlines(results),
        hashes=results.hashes,
    )
    with atomic_file(path) as beside:
        beside.write_text(text, encoding="utf-8", newline="\n")


def quote(text: str) -> str:
    """Any text as a Markdown code span, whatever it holds.

    Source: CommonMark 0.31, section 6.1: the fence is longer than any run of backticks inside.
    """
    shown = escape(text)
    fence = "`" * (1 + max(map(len, re.findall("`+", shown)), default=0))
    space = " " if "`" in shown or shown != shown.strip() else ""
    return f"{fence}{space}{shown}{space}{fence}"
