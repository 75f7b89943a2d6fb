import pytest

from captcha_tagger.base.errors import InputError
from captcha_tagger.data.manifest import Row, read_manifest, write_manifest

ROW = Row("a/ä\u2028b.png", "ab1", "00ff", 200, 50)


def test_rows_come_back_as_they_were_written(tmp_path):
    rows = [ROW, ROW._replace(file="=c.png", text='"')]
    write_manifest(tmp_path / "manifest.jsonl", rows)
    assert read_manifest(tmp_path / "manifest.jsonl") == rows


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        "3",
        "[" * 100_000,
        "\udcff",
        '{"file": "a"}',
        '{"file": "a", "text": "", "pixels": "0", "width": 1, "height": 1}',
        '{"file": "a", "text": "a", "pixels": "0", "width": "1", "height": 1}',
        '{"file": "a", "text": "a", "pixels": "0", "width": 1, "height": 0}',
        '{"file": "a", "text": "a", "pixels": "0", "width": 1, "height": 1, "more": 1}',
    ],
)
def test_the_first_wrong_line_is_named(tmp_path, line):
    path = tmp_path / "manifest.jsonl"
    write_manifest(path, [ROW])
    path.write_bytes(path.read_bytes() + line.encode("utf-8", "surrogateescape") + b"\n")
    with pytest.raises(InputError, match=r"manifest.jsonl:2: "):
        read_manifest(path)
