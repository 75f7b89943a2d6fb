"""The files of a page, which come with the package: read once, sent with their type."""

from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from importlib.resources.abc import Traversable

from fastapi import APIRouter, Response

TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript"}
SHARED = resources.files("captcha_tagger.report") / "templates"  # with the page about a run
STYLES = ("page.css", "report.css")  # of both, so that they look alike


def add_assets(router: APIRouter, package: str, names: Mapping[str, Sequence[str]]) -> None:
    """Let the router answer each address with files of the package's folder `static/`, or of those
    that it shares, one after the other.

    The style sheets of the page about a run are there in any case.
    """
    folder = resources.files(package) / "static"
    for address, files in {**names, **{f"/{name}": [name] for name in STYLES}}.items():
        content = b"\n".join(_find(folder, name).read_bytes() for name in files)
        kind = f"{TYPES[files[-1].rpartition('.')[2]]}; charset=utf-8"
        router.add_api_route(
            address, _answer_with(content, kind), methods=["GET"], include_in_schema=False
        )


def _find(folder: Traversable, name: str) -> Traversable:
    own = folder / name
    return own if own.is_file() else SHARED / name


def _answer_with(content: bytes, kind: str) -> Callable[[], Response]:
    def answer() -> Response:
        return Response(content, headers={"content-type": kind})

    return answer
