from pathlib import Path

import pytest

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.work.address import load_address
from captcha_tagger.base.work.session import open_session


def write(folder: Path, value: str) -> Path:
    path = folder / "params.yaml"
    path.write_text(f"compute:\n  workers: 1\n  cluster: {value}\n")
    return path


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("null", None),
        ("local", "local"),
        ("auto", "auto"),
        ("head.example:6379", "head.example:6379"),
        ("'[::1]:6379'", "[::1]:6379"),
    ],
)
def test_the_address_stands_in_the_params(tmp_path: Path, value: str, address: str | None) -> None:
    assert load_address(write(tmp_path, value)) == address


@pytest.mark.parametrize("value", ["head", "ray://head:10001", ":6379", "'a b:1'", "head:x"])
def test_what_is_no_address_is_one_line(tmp_path: Path, value: str) -> None:
    with pytest.raises(InputError, match=r"compute.cluster: no address of Ray; write null, local"):
        load_address(write(tmp_path, value))


def test_a_task_starts_no_ray_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAPTCHA_TAGGER_INSIDE_CLUSTER", "1")
    assert load_address(write(tmp_path, "local")) is None


def test_without_ray_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with (
        pytest.raises(InputError, match=r"Ray is not installed; pip install -e '\.\[clu"),
        open_session("local"),
    ):
        pass
