"""What made DVC hang or refuse a whole source without naming a file."""

import os
import socket
from importlib.util import find_spec

import pytest

from captcha_tagger.base.errors import InputError
from captcha_tagger.source.obstacles import check_source
from tests.hostile import fill_folder, pack, png


def obstruct(folder, kind):
    match kind:
        case "pipe":
            os.mkfifo(folder / "x.png")
        case "socket":
            with socket.socket(socket.AF_UNIX) as server:
                server.bind("x.png")
        case "link to a device":
            (folder / "x.png").symlink_to("/dev/zero")
        case "link to nowhere":
            (folder / "x.png").symlink_to("nowhere")
        case "looping link":
            (folder / "x.png").symlink_to("x.png")
        case "undecodable name":
            (folder / os.fsdecode(b"x\xff.png")).write_bytes(png(0))
        case "undecodable folder":
            fill_folder(folder / os.fsdecode(b"x\xff"), ["ab"])


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("pipe", "deep/x.png: a pipe, socket or device; take it out"),
        ("socket", "deep/x.png: a pipe, socket or device; take it out"),
        ("link to a device", "deep/x.png: a pipe, socket or device; take it out"),
        ("link to nowhere", "deep/x.png: a link to nowhere; take it out"),
        ("looping link", "deep/x.png: a link to nowhere; take it out"),
        ("undecodable name", r"deep/x\udcff.png: its name is not UTF-8; take it out"),
        ("undecodable folder", r"deep/x\udcff/ab.png: its name is not UTF-8; take it out"),
    ],
)
def test_what_dvc_cannot_hash_is_named(tmp_path, monkeypatch, kind, line):
    monkeypatch.chdir(fill_folder(tmp_path / "in" / "deep"))  # a socket's path must be short
    obstruct(tmp_path / "in" / "deep", kind)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as caught:
        check_source("in", 100)
    assert str(caught.value) == f"in: {line}"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("nowhere", "no such folder or zip"),
        ("https://example.org/images.zip", "no s3://bucket/... or gs://bucket/...; download"),
        ("s3://", "no s3://bucket/"),
        ("s3://bucket/../images", "no s3://bucket/"),
        ("s3://bucket//images", "no s3://bucket/"),
        ("s3://bucket/a.zip?versionId=1", "no s3://bucket/"),
        ("s3://me:secret@bucket/images", r"s3://me:\*\*\*@bucket/images: no s3://bucket/"),
        ("simplecache::s3://bucket/images", "no s3://bucket/"),
        (".", "holds the pipeline's own outputs"),
        ("..", "holds the pipeline's own outputs"),
        ("data", "holds the pipeline's own outputs"),
        ("data/ingest", "holds the pipeline's own outputs"),
        ("linked", "holds the pipeline's own outputs"),
        ("pipe", "neither a folder nor a zip"),
        ("in/loop", "no such folder or zip"),
    ],
)
def test_a_source_that_cannot_be_one_is_refused(tmp_path, monkeypatch, source, reason):
    monkeypatch.chdir(tmp_path)
    fill_folder(tmp_path / "in")
    fill_folder(tmp_path / "data" / "ingest")
    os.mkfifo("pipe")
    (tmp_path / "in" / "loop").symlink_to("loop")
    (tmp_path / "linked").symlink_to("data")
    with pytest.raises(InputError, match=reason):
        check_source(source, 100)


@pytest.mark.skipif(find_spec("dvc_gs") is not None, reason="dvc-gs is installed")
def test_a_store_whose_package_is_missing_says_which():
    with pytest.raises(InputError, match=r"^gs://bucket/images: .*; pip install dvc-gs$"):
        check_source("gs://bucket/images", 100)


@pytest.mark.parametrize("name", ["plain", "a$b", 'q"u`o', "sp ace#x", "co:lon", "-d", "${x.y}"])
def test_any_honest_folder_passes(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    folder = fill_folder(tmp_path / name)
    (folder / "link.png").symlink_to("ab1.png")
    (folder / "up").symlink_to("..")
    (folder / "a\nb.png").write_bytes(b"")
    check_source(name, 100)


def test_a_zip_passes_unopened(tmp_path):
    check_source(str(pack(tmp_path / "z.zip", {"a.png": png(0)})), 100)


def test_too_many_files_are_said_before_they_are_hashed(tmp_path):
    with pytest.raises(InputError, match="more than 3 files"):
        check_source(str(fill_folder(tmp_path / "in")), 3)
