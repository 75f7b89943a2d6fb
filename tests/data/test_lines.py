from pathlib import Path

import numpy as np
import pytest

from captcha_tagger.base.errors import InputError
from captcha_tagger.data.lines import Lines


def parse(line: bytes, where: str) -> str:
    if b"wrong" in line:
        raise InputError(f"{where}: wrong")
    return line.decode()


def write(path: Path, text: str) -> Lines[str]:
    path.write_text(text, encoding="utf-8", newline="")
    return Lines(path, parse)


@pytest.mark.parametrize("end", ["\n", ""])
def test_each_line_is_found_by_its_number(tmp_path: Path, end: str) -> None:
    lines = write(tmp_path / "lines", f"a\n\nä\u2028\rb\nc{end}")
    expected = ["a\n", "\n", "ä\u2028\rb\n", f"c{end}"]
    assert list(lines) == expected
    assert [lines[np.int64(number)] for number in range(4)] == expected
    assert (lines[-1], lines[1:3]) == (expected[-1], expected[1:3])
    with pytest.raises(IndexError):
        lines[4]


def test_an_empty_file_has_no_lines(tmp_path: Path) -> None:
    assert list(write(tmp_path / "lines", "")) == []


def test_a_wrong_line_is_named_when_it_is_asked_for(tmp_path: Path) -> None:
    lines = write(tmp_path / "lines", "a\nwrong\n")
    assert lines[0] == "a\n"
    with pytest.raises(InputError, match="lines:2: wrong"):
        lines[1]
