"""Folders and zips in an object store, over HTTP: what the same files give on a disk."""

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from captcha_tagger.base.errors import InputError
from captcha_tagger.source.limits import FULL, Found
from captcha_tagger.source.source import open_source
from captcha_tagger.source.store import Store, open_store
from tests.buckets import Buckets
from tests.hostile import pack, png
from tests.repository import ROOT
from tests.servers import free_port
from tests.source.test_source import LIMITS, read

ODD = [
    "plain.png", "deep/er/x.png", "a b.png", "ä€𝄞.png", "a+b.png", "a%20b.png", "a#b.png",
    "a&b=c.png", "it's \"q\".png", "[1].png", "*.png", "a:b.png", "$(id).png", "~.png", "a\\b.png",
    "UPPER.PNG", "<b>.png", "{x}.png", "a;b,c.png", ".hidden.png", "re\rturn.png",
    "turned\u202e.png", "notes.txt", ".DS_Store", "empty.png",
]  # fmt: skip


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize("prefix", ["", "/images", "/deep/a b+ä"])
def test_a_folder_gives_what_it_gives_on_a_disk(
    buckets: Buckets, tmp_path: Path, prefix: str
) -> None:
    files = {name: png(number) for number, name in enumerate(ODD)} | {"empty.png": b""}
    folder = write(tmp_path / "in", files)
    above = f"{prefix[1:]}/" if prefix else ""
    address = buckets.make({above + name: content for name, content in files.items()}) + prefix
    assert read(address) == read(folder)
    assert read(f"{address}/") == read(folder)


def test_markers_of_folders_are_no_files_and_neighbours_not_inside(buckets: Buckets) -> None:
    keys = ["in/", "in/sub/", "in/sub/a.png", "in2/b.png", "in.png"]
    address = buckets.make({key: b"" if key.endswith("/") else png(0) for key in keys})
    assert read(f"{address}/in") == [Found("sub/a.png", data=png(0))]


def test_content_under_the_name_of_a_folder_is_refused(buckets: Buckets) -> None:
    keys = ["in/", "in/a.png", "in/full/", "in/full.png/"]
    found = read(buckets.make({key: png(0) for key in keys}) + "/in")
    assert {one.file for one in found if one.refusal} == {"/", "full/", "full.png/"}
    assert [one for one in found if not one.refusal] == [Found("a.png", data=png(0))]


def test_keys_that_dvc_or_s3fs_misread_are_refused(buckets: Buckets) -> None:
    keys = ["/a.png", "b//c.png", "d.png?versionId=1", "e.png?versionId=1.png", "f?g.png"]
    found = read(buckets.make({f"in/{key}": png(0) for key in keys}) + "/in")
    refused = "a key that is taken for another's; rename it"
    assert [one.refusal for one in found if one.file.endswith("png")] == [refused] * 3 + [""]


def test_the_limits_of_a_folder_hold(buckets: Buckets, tmp_path: Path) -> None:
    files = {f"{number}.png": png(number) for number in range(5)} | {"3.png": bytes(2000)}
    folder, address = write(tmp_path / "in", files), buckets.make(files)
    with pytest.raises(InputError, match=r"^s3://bucket-\d+: more than 4 files"):
        read(address, max_files=4)
    assert read(address, max_file_bytes=1000) == read(folder, max_file_bytes=1000)
    limit = len(png(0)) + len(png(1))
    found = read(address, max_total_bytes=limit)
    assert found == read(folder, max_total_bytes=limit)
    assert [one.refusal for one in found] == ["", "", FULL, FULL, FULL]


def test_some_files_are_read_by_their_places(buckets: Buckets) -> None:
    with open_source(buckets.make({f"{n}.png": png(n) for n in range(90)}), LIMITS) as source:
        wanted = [0, 7, *range(10, 90)]
        assert [found.file for found in source.read(wanted)] == [source.names[n] for n in wanted]


@pytest.mark.parametrize("change", ["new", "other", "gone"])
def test_a_folder_that_changes_meanwhile_is_an_error(buckets: Buckets, change: str) -> None:
    address = buckets.make({"a.png": png(0), "b.png": png(1)})
    with (
        pytest.raises(InputError, match=f"{address}: changed while it was read; run again"),
        open_source(address, LIMITS) as source,
    ):
        if change == "gone":
            buckets.remove(f"{address}/b.png")
        else:
            buckets.put(f"{address}/{'c.png' if change == 'new' else 'b.png'}", png(2))
        list(source.files)


def test_a_zip_gives_what_it_gives_on_a_disk_and_leaves_nothing(
    buckets: Buckets, tmp_path: Path
) -> None:
    archive = pack(tmp_path / "in.zip", {f"deep/{n}.png": png(n) for n in range(3)})
    address = f"{buckets.make({'my images.zip': archive.read_bytes()})}/my images.zip"
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with open_source(address, LIMITS, scratch) as source:
        assert list(source.files) == read(archive)
        assert list(scratch.iterdir())
    assert not list(scratch.iterdir())


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"no zip", "neither a folder nor a zip that can be read"),
        (bytes(LIMITS.max_total_bytes + 1), "100001 bytes are more than ingest.max_total_bytes"),
    ],
)
def test_what_is_no_zip_or_too_large_is_one_line(
    buckets: Buckets, tmp_path: Path, content: bytes, line: str
) -> None:
    address = f"{buckets.make({'a.zip': content})}/a.zip"
    with (
        pytest.raises(InputError, match=f"^{address}: {line}"),
        open_source(address, LIMITS, tmp_path),
    ):
        pass
    assert not list(tmp_path.iterdir())


@contextmanager
def limiting_files(num_bytes: int) -> Iterator[None]:
    """As a quota does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_takes_no_zip_is_not_blamed_on_the_store(
    buckets: Buckets, tmp_path: Path
) -> None:
    store = open_store(f"{buckets.make({'a.zip': bytes(5000)})}/a.zip")
    with pytest.raises(OSError, match="File too large"), limiting_files(1000):
        store.fetch(tmp_path, LIMITS)


class Exhausted:
    """A file system that finds no memory for what it fetches."""

    def info(self, _: str) -> dict[str, Any]:
        return {"type": "file", "size": 9}

    def get_file(self, *_: str) -> None:
        raise MemoryError


def test_memory_that_is_full_is_not_blamed_on_the_store(tmp_path: Path) -> None:
    with pytest.raises(MemoryError):
        Store("s3://bucket/a.zip", Exhausted(), "bucket/a.zip").fetch(tmp_path, LIMITS)


def test_a_zip_that_changes_meanwhile_is_an_error(buckets: Buckets, tmp_path: Path) -> None:
    archive = pack(tmp_path / "in.zip", {"a.png": png(0)}).read_bytes()
    address = f"{buckets.make({'a.zip': archive})}/a.zip"
    with (
        pytest.raises(InputError, match="changed while it was read"),
        open_source(address, LIMITS, tmp_path),
    ):
        buckets.put(address, archive + b" ")


@pytest.mark.parametrize("path", ["", "/images", "/images.zip"])
def test_a_bucket_or_folder_that_is_not_there_is_one_line(buckets: Buckets, path: str) -> None:
    address = f"s3://nowhere{path}" if not path else buckets.make({}) + path
    with pytest.raises(InputError, match=f"^{address}: no such bucket, folder or file"):
        open_store(address).is_file()


def test_an_empty_bucket_holds_no_files(buckets: Buckets) -> None:
    assert read(buckets.make({})) == []


def test_without_credentials_one_line_says_so(buckets: Buckets) -> None:
    said = fail(buckets.make({"a.png": png(0)}), AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="")
    assert "Unable to locate credentials; look at the address, the credentials" in said


@pytest.mark.slow
@pytest.mark.usefixtures("buckets")
def test_where_no_store_answers_is_one_line() -> None:
    said = fail("s3://bucket/images", AWS_ENDPOINT_URL=f"http://127.0.0.1:{free_port()}")
    assert said.startswith("s3://bucket/images: not readable: Could not connect")


def fail(address: str, **environment: str) -> str:
    """The one line about a store that a process of its own cannot reach."""
    words = "import sys; from captcha_tagger.source.obstacles import check_source as check\n"
    words += "try: check(sys.argv[1], 9)\nexcept ValueError as error: print(error)"
    paths = os.pathsep.join([str(ROOT / "src"), *sys.path])
    done: Any = subprocess.run(
        [sys.executable, "-c", words, address],
        env={**os.environ, "PYTHONPATH": paths, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    assert done.stdout.count("\n") == 1
    assert os.environ["AWS_SECRET_ACCESS_KEY"] not in done.stdout
    return str(done.stdout)
