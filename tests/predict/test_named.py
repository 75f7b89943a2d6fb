"""Images in an object store, over HTTP: the answers that the same files get on a disk."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from captcha_tagger.commands.cli import main
from captcha_tagger.commands.predict import tag
from captcha_tagger.network.model_folder import save_model
from captcha_tagger.predict import files as answering
from tests.buckets import Buckets
from tests.conftest import make_tagger
from tests.predict.test_serving import LARGE
from tests.repository import ROOT
from tests.source.test_store import ODD, png, write

FILES = {
    **{name: png(number) for number, name in enumerate(ODD)},
    **{f"{folder}/{n}.png": png(n) for folder in ("a", "a-b", "b") for n in range(5)},
    "empty.png": b"",
    "no image.png": b"bad",
    "many pixels.png": LARGE,
    "many bytes.png": bytes(90_000),
}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_model(make_tagger(), tmp_path / "model")
    monkeypatch.chdir(tmp_path)


def predict(capfd: pytest.CaptureFixture[str], source: str, *words: str) -> tuple[Any, str, str]:
    """The exit code, the answers and the complaints, with names below the source."""
    with pytest.raises(SystemExit) as end:
        main(["predict", source, "--model", "model", *words])
    said = capfd.readouterr()
    return end.value.code, said.out.replace(source, ""), said.err.replace(source, "")


def test_answers_and_complaints_are_those_of_the_folder(
    buckets: Buckets,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(answering, "MAX_BYTES", 80_000)
    write(tmp_path / "images", FILES)
    address = buckets.make({f"in/{name}": content for name, content in FILES.items()}) + "/in"
    here = predict(capfd, "images", "--json")
    assert here[0] == 1
    assert "/many bytes.png: 90000 bytes are more than 80000\n" in here[2]
    assert "/many pixels.png: 5000x5000 pixels are more than 20000000\n" in here[2]
    assert predict(capfd, address, "--json") == here
    assert predict(capfd, f"{address}/plain.png") == predict(capfd, "images/plain.png")


def test_a_parquet_file_names_addresses_and_paths(buckets: Buckets, tmp_path: Path) -> None:
    """An image that is named three times is answered once."""
    write(tmp_path, {"here.png": png(0)})
    address = buckets.make({"in/a.png": png(0), "in/b.png": png(1)})
    names = ["here.png", f"{address}/in/b.png", f"{address}/in/", address]
    assert tag(names, "model", as_json=False, out=Path("found.parquet")) == 0
    rows = pyarrow.parquet.read_table("found.parquet").to_pylist()
    assert [row["file"] for row in rows] == [*names[:2], f"{address}/in/a.png"]
    assert rows[0]["probs"] == rows[2]["probs"]


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("/gone", "no such bucket, folder or file; look at the address"),
        ("/*.png", "no such bucket, folder or file; look at the address"),
        ("/texts", r"no image there \(\.png"),
    ],
)
def test_one_line_says_that_there_is_no_image(
    buckets: Buckets, capfd: pytest.CaptureFixture[str], path: str, line: str
) -> None:
    address = buckets.make({"texts/a.txt": b"", "a.png": png(0)}) + path
    code, answers, said = predict(capfd, address)
    assert (code, answers, said.count("\n")) == (2, "", 1)
    assert line.replace("\\", "") in said


def fail(address: str, **environment: str) -> str:
    """The one line about a store that a process of its own cannot read."""
    paths = os.pathsep.join([str(ROOT / "src"), *sys.path])
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "captcha_tagger.commands.cli",
            "predict",
            "--model",
            "model",
            address,
        ],
        env={**os.environ, "PYTHONPATH": paths, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    return done.stderr.removeprefix(f"captcha-tagger predict: {address}: ")


def test_without_credentials_one_line_says_so(buckets: Buckets) -> None:
    said = fail(buckets.make({"a.png": png(0)}), AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="")
    assert said.startswith("not readable: Unable to locate credentials; look at the address")


@pytest.mark.skipif(find_spec("dvc_gs") is not None, reason="dvc-gs is installed")
def test_without_the_package_one_line_names_it() -> None:
    assert fail("gs://bucket/images") == "needs a package; pip install dvc-gs\n"


def test_of_the_web_is_said_that_it_is_no_store() -> None:
    said = fail("https://example.org/a.png")
    assert said == "no s3://bucket/... or gs://bucket/...; download the images\n"


def test_an_object_that_goes_meanwhile_is_one_line_and_the_rest_go_on(
    buckets: Buckets, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    address = buckets.make({"a.png": png(0), "b.png": png(1)})
    read = answering.read_files

    def lose_one(*words: Any) -> Any:
        buckets.remove(f"{address}/b.png")
        return read(*words)

    monkeypatch.setattr(answering, "read_files", lose_one)
    code, answers, said = predict(capfd, address)
    assert (code, answers.count("\n"), said) == (1, 1, "/b.png: no such object\n")
    assert answers.startswith("/a.png")
