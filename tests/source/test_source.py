import os
import stat
import zipfile

import pytest

from captcha_tagger.base.errors import InputError
from captcha_tagger.source.limits import Limits
from captcha_tagger.source.source import open_source
from tests.bombs import overlapping_zip
from tests.hostile import fill_folder, pack, png

LIMITS = Limits(
    max_files=100, max_file_bytes=10_000, max_total_bytes=100_000, max_compression_ratio=50
)


def read(path, **limits):
    values = {name: limits.get(name, getattr(LIMITS, name)) for name in LIMITS.__slots__}
    with open_source(path, Limits(**values)) as source:
        found = list(source.files)
    assert source.num_files == len(found)
    return found


def refusals(path, **limits):
    return {found.file: found.refusal for found in read(path, **limits) if found.refusal}


def test_a_folder_of_any_nesting_comes_sorted_with_its_bytes(tmp_path):
    fill_folder(tmp_path / "b" / "deep", ["z"])
    fill_folder(tmp_path / "a", ["y"])
    fill_folder(tmp_path, ["c", "B"])
    found = read(tmp_path)
    assert [f.file for f in found] == ["B.png", "a/y.png", "b/deep/z.png", "c.png"]
    assert found[1].data == png(0)


def test_a_zip_gives_what_its_folder_gives(tmp_path):
    folder = fill_folder(tmp_path / "folder")
    entries = {path.name: path.read_bytes() for path in folder.iterdir()}
    archive = pack(tmp_path / "images.zip", entries, compression=zipfile.ZIP_DEFLATED)
    assert read(archive) == read(folder)


def test_large_archives_say_so_in_zip64_and_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 100)
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 1)
    archive = pack(tmp_path / "z.zip", {f"{n}.png": png(n) for n in range(3)})
    assert b"PK\6\6" in archive.read_bytes()
    assert [found.data for found in read(archive)] == [png(n) for n in range(3)]


def test_what_surrounds_an_archive_does_not_matter(tmp_path):
    archive = tmp_path / "z.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.comment = b"a comment"
        file.writestr("a.png", png(0))
    archive.write_bytes(b"#!/bin/unzip\n" + archive.read_bytes())
    assert read(archive)[0].data == png(0)


@pytest.mark.parametrize("name", ["é.png", "шалом/ab.png"])
def test_names_outside_ascii_are_those_that_were_packed(tmp_path, name):
    assert read(pack(tmp_path / "z.zip", {name: png(0)}))[0].file == name


@pytest.mark.parametrize("name", ["a.txt", "a", ".png", "a.png.exe", "a.svg"])
def test_what_is_not_named_as_an_image_is_not_read(tmp_path, name):
    (tmp_path / name).write_bytes(png(0))
    assert "not named as an image" in refusals(tmp_path)[name]


@pytest.mark.parametrize("name", [".DS_Store", "Thumbs.db", "._ab1.png", "__MACOSX/ab1.png"])
def test_what_systems_leave_behind_is_nobodys_fault(tmp_path, name):
    (found,) = read(pack(tmp_path / "z.zip", {name: png(0)}))
    assert found.clutter
    assert found.refusal


@pytest.mark.parametrize("name", ["a\nb.png", "a\rb.png", "a\x1bb.png", "a\u202egnp.png"])
def test_names_that_would_forge_tables_are_refused_and_shown_escaped(tmp_path, name):
    (tmp_path / name).write_bytes(png(0))
    (found,) = read(tmp_path)
    assert "control or undecodable" in found.refusal
    assert found.file.isprintable()


def test_a_name_that_is_not_utf8_is_refused(tmp_path):
    (tmp_path / os.fsdecode(b"a\xff.png")).write_bytes(png(0))
    assert list(refusals(tmp_path)) == [r"a\udcff.png"]


@pytest.mark.parametrize(
    "name", ["-rf.png", "=cmd.png", "<b>.png", "é" * 120 + ".png", "שלום.png", "..a.png"]
)
def test_odd_but_honest_names_are_read(tmp_path, name):
    (tmp_path / name).write_bytes(png(0))
    assert read(tmp_path)[0].data == png(0)


def test_links_stay_inside_the_source(tmp_path):
    folder = fill_folder(tmp_path / "in", ["ab1"])
    secret = fill_folder(tmp_path / "out", ["zz"]) / "zz.png"
    (folder / "inside.png").symlink_to("ab1.png")
    (folder / "outside.png").symlink_to(secret)
    (folder / "loop.png").symlink_to("loop.png")
    (folder / "folder.png").symlink_to(secret.parent)
    reasons = refusals(folder)
    assert set(reasons) == {"outside.png", "loop.png", "folder.png"}
    assert "leaves the source" in reasons["outside.png"]


def test_a_pipe_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    assert refusals(tmp_path) == {"pipe.png": "not a regular file"}


def test_an_entry_without_a_name_is_refused(tmp_path):
    """Python 3.11's zipfile raises IndexError on it; found by fuzzing."""
    archive = tmp_path / "z.zip"
    with zipfile.ZipFile(archive, "w") as file:
        with file.open(zipfile.ZipInfo(""), "w") as entry:
            entry.write(png(0))
        file.writestr("b.png", png(1))
    assert "not named as an image" in refusals(archive)[""]
    assert read(archive)[1].data == png(1)


def link_entry():
    info = zipfile.ZipInfo("link.png")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("../../etc/passwd.png", "leaves the archive"),
        ("a/../../b.png", "leaves the archive"),
        ("/etc/a.png", "absolute path"),
        ("C:/a.png", "absolute path"),
        ("a\\b.png", "of Windows"),
        ("inner.zip", "archive inside"),
        (link_entry(), "symbolic link"),
    ],
)
def test_hostile_entries_of_a_zip_are_refused(tmp_path, entry, reason):
    (found,) = read(pack(tmp_path / "z.zip", {entry: png(0)}))
    assert reason in found.refusal
    assert not found.data


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_only_deflate_is_unpacked(tmp_path, method):
    archive = pack(tmp_path / "z.zip", {"a.png": png(0)}, compression=method)
    assert "another method" in refusals(archive)["a.png"]


def test_an_entry_packed_too_tightly_is_refused(tmp_path):
    archive = pack(tmp_path / "z.zip", {"a.png": bytes(9000)}, compression=zipfile.ZIP_DEFLATED)
    assert "max_compression_ratio" in refusals(archive)["a.png"]


def test_an_encrypted_entry_is_refused(tmp_path):
    archive = pack(tmp_path / "z.zip", {"a.png": png(0)})
    data = bytearray(archive.read_bytes())
    data[6] |= 1  # the flags in the entry's own header, and in the directory
    data[data.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(data)
    assert refusals(archive) == {"a.png": "encrypted"}


def test_an_entry_that_lies_about_its_content_is_refused(tmp_path):
    archive = pack(tmp_path / "z.zip", {"a.png": png(0), "b.png": png(1)})
    data = bytearray(archive.read_bytes())
    data[60] ^= 0xFF
    archive.write_bytes(data)
    assert "damaged in the archive" in refusals(archive)["a.png"]
    assert read(archive)[1].data == png(1)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_of_two_entries_of_one_name_the_second_is_refused(tmp_path):
    archive = tmp_path / "z.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a.png", png(0))
        file.writestr("a.png", png(1))
    first, second = read(archive)
    assert first.data
    assert "second entry" in second.refusal


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_a_file_that_is_too_large_is_not_read(tmp_path, kind):
    source = tmp_path / "folder"
    if kind == "folder":
        fill_folder(source, ["ab1"])
    else:
        source = pack(tmp_path / "z.zip", {"ab1.png": png(0)})
    assert "max_file_bytes" in refusals(source, max_file_bytes=10)["ab1.png"]


def test_what_lies_past_the_total_is_refused(tmp_path):
    fill_folder(tmp_path, ["a", "b", "c"])
    assert set(refusals(tmp_path, max_total_bytes=len(png(0)) + 1)) == {"b.png", "c.png"}


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_too_many_files_end_the_whole(tmp_path, kind):
    source = fill_folder(tmp_path / "folder")
    if kind == "zip":
        entries = {path.name: path.read_bytes() for path in source.iterdir()}
        source = pack(tmp_path / "z.zip", entries)
    with pytest.raises(InputError, match="more than 3 files"):
        read(source, max_files=3)


@pytest.mark.parametrize("data", [b"", b"no zip at all", b"PK\x03\x04" + bytes(100)])
def test_a_zip_that_is_not_one_is_an_error(tmp_path, data):
    (tmp_path / "z.zip").write_bytes(data)
    with pytest.raises(InputError, match="neither a folder nor a zip"):
        read(tmp_path / "z.zip")


def test_a_zip_cut_short_is_an_error(tmp_path):
    archive = pack(tmp_path / "z.zip", {"a.png": png(0)})
    archive.write_bytes(archive.read_bytes()[:-30])
    with pytest.raises(InputError, match="neither a folder nor a zip"):
        read(archive)


def test_a_source_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(InputError, match="no such folder or zip"):
        read(tmp_path / "nowhere")


def change(source, what):
    match what:
        case "added":
            (source / "new.png").write_bytes(png(9))
        case "added deeper":
            fill_folder(source / "deeper", ["new"])
        case "removed":
            (source / "ab1.png").unlink()
        case "rewritten":
            (source / "ab1.png").write_bytes(png(9))
        case "renamed":
            (source / "ab1.png").rename(source / "zz9.png")
        case "replaced by another folder":
            source.rename(source.with_name("moved"))
            source.mkdir()


@pytest.mark.parametrize(
    "what",
    ["added", "added deeper", "removed", "rewritten", "renamed", "replaced by another folder"],
)
def test_a_folder_that_changes_while_it_is_read_is_an_error(tmp_path, what):
    """DVC hashes it after the run, so a file that came meanwhile was in no manifest for ever."""
    source = fill_folder(tmp_path / "in")
    with pytest.raises(InputError, match="changed while it was read; run again"):  # noqa: SIM117
        with open_source(source, LIMITS) as opened:
            next(opened.files)
            change(source, what)
            list(opened.files)


@pytest.mark.parametrize("what", ["truncated", "rewritten", "removed"])
def test_a_zip_that_changes_while_it_is_read_is_an_error(tmp_path, what):
    """One that was cut short ended in a traceback."""
    archive = pack(tmp_path / "z.zip", {f"{n}.png": png(n) for n in range(3)})
    with pytest.raises(InputError, match="changed while it was read"):  # noqa: SIM117
        with open_source(archive, LIMITS) as opened:
            next(opened.files)
            match what:
                case "truncated":
                    os.truncate(archive, 10)
                case "rewritten":
                    pack(archive, {"other.png": png(7)})
                case "removed":
                    archive.unlink()
            list(opened.files)


def test_entries_that_share_their_bytes_are_unpacked_once(tmp_path):
    """A 297 kB zip of overlapping entries ran for three minutes."""
    archive = tmp_path / "bomb.zip"
    archive.write_bytes(overlapping_zip(5000, bytes(10_000)))
    found = read(archive, max_files=10_000, max_compression_ratio=10_000)
    assert [len(one.data) for one in found] == [10_000] + [0] * 4999
    assert all("shares its bytes" in one.refusal for one in found[1:])


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_nothing_is_read_any_more_once_the_total_is_reached(tmp_path, monkeypatch, kind):
    source = fill_folder(tmp_path / "in", ["a", "b", "c", "d"])
    if kind == "zip":
        source = pack(tmp_path / "z.zip", {p.name: p.read_bytes() for p in source.iterdir()})
    taken = []
    for module, name in (("source", "read_regular"), ("archive", "_unpack")):
        path = f"captcha_tagger.source.{module}.{name}"
        monkeypatch.setattr(path, lambda *_: taken.append(1) or png(0))
    assert len(refusals(source, max_total_bytes=len(png(0)) + 1)) == 3
    assert len(taken) == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_named(tmp_path):
    locked = fill_folder(tmp_path / "in" / "locked")
    locked.chmod(0)
    with pytest.raises(InputError, match=r"in/locked: cannot be read: Permission denied"):
        read(tmp_path / "in")
    locked.chmod(0o700)
