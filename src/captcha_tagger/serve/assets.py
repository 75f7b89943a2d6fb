"""The files of a page, which come with the package: read once, sent with their type."""

from collections.abc import Callable, Mapping
from importlib import resources

from fastapi import APIRouter, Response

TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript"}
SHARED = {  # with the page about a run: both look alike
    name: resources.files("captcha_tagger.report") / "templates" / name
    for name in ("page.css", "report.css", "elements.js")
}


def add_assets(router: APIRouter, package: str, names: Mapping[str, str]) -> None:
    """Let the router answer each address with a file of the package's folder `static/`.

    What the pages share with the one about a run is there in any case.
    """
    folder = resources.files(package) / "static"
    files = {address: folder / name for address, name in names.items()} | {
        f"/{name}": file for name, file in SHARED.items()
    }
    for address, file in files.items():
        content = file.read_bytes()
        kind = f"{TYPES[file.name.rpartition('.')[2]]}; charset=utf-8"
        router.add_api_route(
            address, _answer_with(content, kind), methods=["GET"], include_in_schema=False
        )


def _answer_with(content: bytes, kind: str) -> Callable[[], Response]:
    def answer() -> Response:
        return Response(content, headers={"content-type": kind})

    return answer
