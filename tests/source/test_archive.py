import io
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captcha_tagger.base.errors import InputError
from captcha_tagger.source.archive import open_archive, read_entry
from captcha_tagger.source.limits import Limits

LIMITS = Limits(1000, 10**6, 10**9, 10**4)

names = st.text(
    st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=20
)
entries = st.dictionaries(
    names.filter(lambda name: not set(name) & set("/\\:.")).map("{}.png".format),
    st.binary(max_size=200),
    max_size=8,
)
# A comment that holds the directory's own mark misleads zipfile too.
comments = st.binary(max_size=99).filter(lambda comment: b"PK" not in comment)


def pack(files, method=zipfile.ZIP_STORED, comment=b""):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.comment = comment
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def read(data):
    file, path = io.BytesIO(data), Path("z.zip")
    archive = open_archive(file, path, LIMITS.max_files)
    how = {"file": file, "source": path, "shift": archive.shift, "limits": LIMITS}
    found = [read_entry(archive.list_file(place), **how) for place in range(len(archive))]
    assert len(found) == len(archive)
    return found


@given(entries, st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]), comments)
def test_what_zipfile_packs_is_read_back_sorted(files, method, comment):
    found = read(pack(files, method, comment))
    assert [(file.file, file.data) for file in found] == sorted(files.items())


@given(entries, st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=6))
def test_damage_never_gives_bytes_that_were_not_packed(files, flips):
    data = bytearray(pack(files, zipfile.ZIP_DEFLATED))
    for place, mask in flips:
        data[place % len(data)] ^= mask
    try:
        found = read(bytes(data))
    except InputError:
        return
    assert {file.data for file in found if not file.refusal} <= {*files.values(), b""}


@pytest.mark.parametrize("name", ["é1ж.png", "字.png"])
def test_names_of_utf8_are_read_without_the_flag_that_says_so(name):
    """As Unix's zip packs them: `é` was read as two characters of a box."""
    packed = pack({name: b""}).replace(b"\x14\0\0\x08", b"\x14\0\0\0")  # version, flags
    assert packed != pack({name: b""})
    found = read(packed)
    assert [file.file for file in found] == [name]


def test_names_of_dos_are_read():
    packed = pack({"abc.png": b""}).replace(b"abc", "éü1".encode("cp437"))
    assert [file.file for file in read(packed)] == ["éü1.png"]
