"""The logged model as strangers use it: a fresh environment, HTTP, a tampered artifact."""

import base64
import json
import os
import pickle
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
import torch
from numpy.typing import NDArray

from captcha_tagger.base.errors import InputError
from captcha_tagger.commands.cli import main
from captcha_tagger.commands.predict import tag
from captcha_tagger.network.model_folder import load_model, save_model
from captcha_tagger.network.reading import read
from captcha_tagger.network.tagger import Tagger
from captcha_tagger.predict.images import find_images
from captcha_tagger.predict.predictor import BATCH, Predictor, fold_batch_norms
from captcha_tagger.predict.serving import ServedTagger
from captcha_tagger.source.decoding import Pixels
from tests.bombs import scan_jpeg
from tests.conftest import VOCABULARY, make_card, make_tagger
from tests.project import Project, make_project
from tests.servers import free_port

TOLERANCE = 1e-5
DECODER = "captcha_tagger.source.decoding_process"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_model(make_tagger(), tmp_path / "model")
    return tmp_path / "model"


def encode_png(array: NDArray[np.uint8]) -> bytes:
    from io import BytesIO

    from PIL import Image

    buffer = BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    return buffer.getvalue()


LARGE = encode_png(np.zeros((5000, 5000), np.uint8))
GREY = np.random.default_rng(0).integers(0, 255, (24, 48)).astype(np.uint8)


@pytest.mark.parametrize(
    "image",
    [
        encode_png(GREY),
        base64.b64encode(encode_png(GREY)).decode(),
        GREY,
        GREY[:, :, None],
        GREY.astype(np.int64),
        GREY.tolist(),
        GREY.astype(np.uint16) * 257,
        np.stack([GREY] * 3, axis=2),
        np.dstack([GREY, GREY, GREY, np.full_like(GREY, 255)]),
    ],
)
def test_every_form_of_an_image_gets_the_same_answer(folder: Path, image: object) -> None:
    served = ServedTagger(folder)
    expected = served.predict(pd.DataFrame({"image": [encode_png(GREY)]}))
    assert served.predict(pd.DataFrame({"image": [image]})) == expected
    assert list(expected[0]["probs"]) == VOCABULARY
    assert expected[0]["threshold"] == 0.5


def test_a_head_that_does_not_read_answers_labels_alone(tmp_path: Path) -> None:
    save_model(make_tagger("noisy_or"), tmp_path / "model")
    (row,) = ServedTagger(tmp_path / "model").predict(pd.DataFrame({"image": [GREY]}))
    assert set(row) == {"labels", "probs", "threshold"}


def test_the_text_is_the_one_that_evaluate_reads(folder: Path) -> None:
    pixels = torch.from_numpy(GREY)[None, None]
    log_probs = load_model(folder).answer(pixels).log_probs
    assert log_probs is not None
    (expected,) = read(log_probs.detach().numpy(), VOCABULARY, 48)
    (row,) = ServedTagger(folder).predict(pd.DataFrame({"image": [GREY]}))
    assert (row["text"], row["spans"]) == (expected.text, expected.spans)
    assert row["confidence"] == pytest.approx(expected.confidence, rel=1e-3)


def test_predict_looks_for_a_pattern(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = folder.parent / "image.png"
    image.write_bytes(encode_png(GREY))
    with pytest.raises(SystemExit) as end:
        main(["predict", str(image), "--model", str(folder), "--json", "--pattern", "[ab]{2}"])
    assert end.value.code == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert re.fullmatch("[ab]{2}", found["text"])
    assert 0 < found["confidence"] <= 1
    with pytest.raises(SystemExit) as end:
        main(["predict", str(image), "--model", str(folder), "--pattern", "[ab"])
    assert end.value.code == 2
    assert "read.pattern: not a regular expression" in capsys.readouterr().err


@pytest.mark.parametrize(
    "image", ["/etc/passwd", "params.yaml", "file:///etc/passwd", "", None, 3.5, [[1], [1, 2]]]
)
def test_what_is_no_image_is_refused_and_no_path_is_opened(folder: Path, image: object) -> None:
    with pytest.raises(InputError, match="image 0"):
        ServedTagger(folder).decode(pd.DataFrame({"image": [image]}))


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        ("/etc/passwd", "image 0: a string must be the base64 of an image file"),
        (base64.b64encode(scan_jpeg(2000)).decode(), "image 0: a JPEG of more than 100 scans"),
        (base64.b64encode(LARGE).decode(), "image 0: 5000x5000 pixels are more than 20000000"),
        ([[1], [1, 2]], "image 0: a nested list must be a rectangular array"),
        ([[[[[1]]]]], "image 0: an array of shape (1, 1, 1, 1, 1) is no"),
    ],
)
def test_a_served_model_says_why_it_refuses(folder: Path, image: object, reason: str) -> None:
    """The server answered "unexpected error", and a stack trace with its paths."""
    with pytest.raises(Exception, match="image 0") as caught:
        ServedTagger(folder).predict(pd.DataFrame({"image": [image]}))
    assert type(caught.value).__name__ == "MlflowException"
    assert caught.value.get_http_status_code() == 400  # type: ignore[attr-defined]
    assert reason in str(caught.value)
    assert str(folder) not in caught.value.serialize_as_json()  # type: ignore[attr-defined]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says how much a process has")
def test_an_image_that_takes_too_much_memory_is_refused(folder: Path) -> None:
    served, good = ServedTagger(folder), pd.DataFrame({"image": [GREY]})
    answer = served.predict(good)
    for process in psutil.Process().children():
        if DECODER in process.cmdline():
            process.rlimit(psutil.RLIMIT_DATA, (process.memory_info().data + (1 << 25), -1))
    deep = encode_png(np.zeros((4000, 5000), np.uint16))
    with pytest.raises(InputError, match="image 0: needs more memory than there is"):
        served.decode(pd.DataFrame({"image": [deep]}))
    assert served.predict(good) == answer


def test_a_script_that_loads_the_model_is_not_run_a_second_time(folder: Path) -> None:
    """Processes of multiprocessing begin with what the script does outside of `if __name__`."""
    script = folder.parent / "script.py"
    script.write_text(
        "import pathlib\n"
        "from captcha_tagger.predict.serving import ServedTagger\n"
        f"served = ServedTagger(pathlib.Path({str(folder)!r}))\n"
        f"print(served.predict({{'image': [{encode_png(GREY)!r}]}})[0]['text'])\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    (row,) = ServedTagger(folder).predict(pd.DataFrame({"image": [GREY]}))
    assert done.stdout == row["text"] + "\n"


def test_a_planted_pickle_is_refused(folder: Path) -> None:
    planted = folder.parent / "executed"

    class Bomb:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (planted,))

    (folder / "weights.safetensors").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(InputError, match="damaged model"):
        Predictor(folder)
    assert not planted.exists()


def test_predict_reports_a_bad_file_and_goes_on(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = folder.parent / "images"
    (images / "deeper").mkdir(parents=True)
    (images / "a.png").write_bytes(encode_png(GREY))
    (images / "deeper/b.PNG").write_bytes(encode_png(GREY))
    (images / "bad.png").write_bytes(b"no image")
    assert tag([str(images)], str(folder), as_json=True) == 1
    output = capsys.readouterr()
    found = json.loads(output.out)
    assert [Path(row["file"]).name for row in found] == ["a.png", "b.PNG"]
    assert set(found[0]) == {
        "file", "text", "confidence", "spans", "labels", "probs", "threshold"
    }  # fmt: skip
    assert "bad.png" in output.err
    assert len(find_images([str(images / "**/*.png"), str(images / "deeper")])) == 3
    with pytest.raises(InputError, match="none of 1 files"):
        tag([str(images / "bad.png")], str(folder), as_json=True)
    assert json.loads(capsys.readouterr().out) == []
    with pytest.raises(InputError, match="no such file"):
        tag([str(images / "missing.png")], str(folder), as_json=False)
    assert tag([str(images / "a.png")], str(folder), as_json=False) == 0


@pytest.fixture
def images(folder: Path) -> Path:
    """A folder of one good image."""
    images = folder.parent / "images"
    images.mkdir()
    (images / "a.png").write_bytes(encode_png(GREY))
    return images


def spoil(images: Path, what: str) -> None:
    match what:
        case "undecodable":
            (images / os.fsdecode(b"b\xff.png")).write_bytes(encode_png(GREY))
        case "undecodable and bad":
            (images / os.fsdecode(b"b\xff.png")).write_bytes(b"bad")
        case "escape codes":
            (images / "b\x1b[2J\nforged.png").write_bytes(encode_png(GREY))
        case "pipe":
            os.mkfifo(images / "b.png")
        case "link to nowhere":
            (images / "b.png").symlink_to("nowhere")
        case "folder":
            (images / "b.png").mkdir()
            (images / "b.png" / "c.png").write_bytes(encode_png(GREY))
        case "huge":
            with (images / "b.png").open("wb") as file:
                file.truncate(6_000_000_000)
        case "bomb":
            (images / "b.png").write_bytes(scan_jpeg(2000, side=4472))
        case "large":
            (images / "b.png").write_bytes(LARGE)


@pytest.mark.parametrize(
    ("what", "num_found", "said"),
    [
        ("undecodable", 2, ""),
        ("undecodable and bad", 1, r"b\udcff.png: no PNG"),
        ("escape codes", 2, ""),
        ("pipe", 1, "b.png: not a regular file"),
        ("link to nowhere", 1, "b.png: No such file or directory"),
        ("folder", 2, ""),
        ("huge", 1, "b.png: 6000000000 bytes are more than 50000000"),
        ("bomb", 1, "b.png: a JPEG of more than 100 scans"),
        ("large", 1, "b.png: 5000x5000 pixels are more than 20000000\n"),
    ],
)
@pytest.mark.parametrize("as_json", [True, False])
def test_one_odd_file_costs_no_other_its_answer(
    folder: Path,
    images: Path,
    capfdbinary: pytest.CaptureFixture[bytes],
    what: str,
    num_found: int,
    said: str,
    as_json: bool,
) -> None:
    """One undecodable name lost all answers, one large file all memory; names moved the cursor; and
    too many pixels were blamed on ingest's params, which mean nothing here."""
    spoil(images, what)
    words = ["predict", str(images), "--model", str(folder), *(["--json"] if as_json else [])]
    with pytest.raises(SystemExit) as end:
        main(words)
    output, error = (text.decode() for text in capfdbinary.readouterr())
    assert end.value.code == (1 if said else 0), error
    assert said in error
    assert error.count("\n") == bool(said)
    assert "ingest." not in error
    rows = json.loads(output) if as_json else output.splitlines()
    assert len(rows) == num_found
    assert "\x1b" not in output + error
    if as_json:
        assert all(Path(row["file"]).is_file() for row in rows)


def test_answers_come_while_later_files_are_read(
    folder: Path, images: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They were printed when all was done: whatever ended the command lost them all."""
    for number in range(2 * BATCH):
        (images / f"{number}.png").write_bytes(encode_png(GREY))
    decode, calls = Predictor.decode, iter(range(1000))

    def fail_late(self: Predictor, images: list[bytes]) -> list[Pixels | InputError]:
        if next(calls) > 0:
            raise KeyboardInterrupt
        return decode(self, images)

    monkeypatch.setattr(Predictor, "decode", fail_late)
    monkeypatch.setattr("captcha_tagger.predict.predictor.count_cores", lambda: 1)
    with pytest.raises(KeyboardInterrupt):
        tag([str(images)], str(folder), as_json=True)
    assert len(json.loads(capsys.readouterr().out + "]")) == BATCH


def test_an_empty_path_is_not_the_whole_folder() -> None:
    with pytest.raises(InputError, match="an empty path"):
        find_images([""])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_reported(
    folder: Path, images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (images / "locked").mkdir(mode=0)
    assert tag([str(images)], str(folder), as_json=True) == 1
    assert "locked: Permission denied" in capsys.readouterr().err


def test_many_files_come_in_order_with_the_bad_ones_between(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = folder.parent / "images"
    images.mkdir()
    pixels = np.random.default_rng(1).integers(0, 255, (3 * BATCH, 24, 48)).astype(np.uint8)
    for number, array in enumerate(pixels):
        (images / f"{number:03}.png").write_bytes(encode_png(array))
    bad = [0, BATCH - 1, 2 * BATCH]
    for number in bad:
        (images / f"{number:03}.png").write_bytes(b"no image")
    assert tag([str(images)], str(folder), as_json=True) == 1
    output = capsys.readouterr()
    assert [int(line.split(".png:")[0][-3:]) for line in output.err.splitlines()] == bad
    good = [number for number in range(len(pixels)) if number not in bad]
    found = json.loads(output.out)
    assert [int(Path(row["file"]).stem) for row in found] == good
    with torch.no_grad():
        expected = torch.sigmoid(load_model(folder)(torch.from_numpy(pixels[good][:, None])))
    probs = np.array([list(row["probs"].values()) for row in found])
    assert np.abs(probs - expected.numpy()).max() <= TOLERANCE


@pytest.mark.parametrize("name", ["compact", "resnet18"])
def test_folded_batch_norms_leave_the_logits(name: str) -> None:
    torch.manual_seed(0)
    model = Tagger(make_card(name=name)).eval()
    norms = [layer for layer in model.modules() if isinstance(layer, torch.nn.BatchNorm2d)]
    for norm in norms:
        for values in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
            assert values is not None
            torch.nn.init.uniform_(values, 0.5, 1.5)
    pixels = torch.randint(0, 256, (2, 1, 24, 48), dtype=torch.uint8)
    expected = model(pixels)
    fold_batch_norms(model)
    left = [layer for layer in model.modules() if isinstance(layer, torch.nn.BatchNorm2d)]
    assert len(left) < len(norms)
    assert name != "compact" or not left
    torch.testing.assert_close(model(pixels), expected)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = make_project(tmp_path_factory.mktemp("served") / "project")
    project.run("-m", "dvc", "repro", "evaluate")
    project.tagger("record")
    return project


def validation_files(project: Project) -> list[Path]:
    """The image files of the validation part, in evaluate's order."""
    data = project.root / "data"
    rows = [json.loads(line) for line in (data / "ingest/manifest.jsonl").read_text().splitlines()]
    picks = json.loads((data / "split/parts.json").read_text())["validation"]
    return [project.root / "images" / rows[pick]["file"] for pick in picks]


def evaluated_probs(project: Project) -> NDArray[np.float32]:
    probs: NDArray[np.float32] = np.load(project.root / "data/evaluate/probs.npy")
    return probs


def logged_model(project: Project) -> Path:
    """The model's folder below the project's artifacts."""
    (found,) = (project.root / "mlruns").glob("models/*/artifacts")
    return found


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_fresh_environment_from_its_requirements_gives_the_same_probs(
    trained: Project, tmp_path: Path
) -> None:
    model = logged_model(trained)
    environment = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    python = environment / "bin" / "python"
    install = (
        ["uv", "pip", "install", "--quiet", "--python", str(python)]
        if shutil.which("uv")
        else [str(python), "-m", "pip", "install", "--quiet"]
    )
    run = subprocess.run([*install, "-r", model / "requirements.txt"], check=False)
    if run.returncode:
        pytest.skip("its requirements cannot be installed here, which needs a package index")
    code = (
        "import json, sys, pathlib, pandas as pd, mlflow\n"
        "model = mlflow.pyfunc.load_model(sys.argv[1])\n"
        "images = [pathlib.Path(name).read_bytes() for name in sys.argv[2:]]\n"
        "rows = model.predict(pd.DataFrame({'image': images}))\n"
        "print(json.dumps([list(row['probs'].values()) for row in rows]))"
    )
    run = subprocess.run(
        [python, "-c", code, model, *validation_files(trained)],
        cwd=tmp_path,
        env={
            "PATH": os.environ["PATH"],
            "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    probs = np.array(json.loads(run.stdout.splitlines()[-1]))
    assert np.abs(probs - evaluated_probs(trained)).max() <= TOLERANCE


@pytest.fixture(scope="module")
def address(trained: Project) -> Iterator[str]:
    port = free_port()
    words = ["-m", "mlflow", "models", "serve", "-m", str(logged_model(trained)), "-p", str(port)]
    process = subprocess.Popen(
        [sys.executable, *words, "-h", "127.0.0.1", "--env-manager", "local", "--workers", "1"],
        cwd=trained.root.parent,
        env={
            **trained.environment(),
            "PYTHONPATH": "",
            "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    end = time.monotonic() + 600
    url = f"http://127.0.0.1:{port}"
    while True:
        try:
            urllib.request.urlopen(f"{url}/ping", timeout=5).close()
            break
        except OSError:
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(1)
    yield f"{url}/invocations"
    os.killpg(process.pid, 15)
    process.wait()


def ask(address: str, images: list[object]) -> list[dict[str, object]]:
    body = {"dataframe_split": {"columns": ["image"], "data": [[image] for image in images]}}
    request = urllib.request.Request(
        address, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        found: list[dict[str, object]] = json.load(answer)["predictions"]
        return found


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_served_model_answers_over_http_as_evaluate_did(trained: Project, address: str) -> None:
    images = [base64.b64encode(file.read_bytes()).decode() for file in validation_files(trained)]
    rows = ask(address, list(images))
    probs = np.array([list(row["probs"].values()) for row in rows])  # type: ignore[attr-defined]
    assert np.abs(probs - evaluated_probs(trained)).max() <= TOLERANCE
    for path in ("/etc/passwd", str(validation_files(trained)[0])):
        with pytest.raises(urllib.error.HTTPError) as refused:
            ask(address, [path])
        with refused.value:
            assert refused.value.code == 400
            said = refused.value.read()
            assert b"image 0: a string must be the base64 of an image file" in said
            assert b"root:" not in said
            assert b"site-packages" not in said


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_nesting_bomb_shows_no_path_and_costs_no_other_request(
    trained: Project, address: str
) -> None:
    """MLflow's server parses a request before any model sees it, and answers 500 to this one."""
    image = base64.b64encode(validation_files(trained)[0].read_bytes()).decode()
    for bomb in (
        b"[" * 100_000,
        b'{"dataframe_split": {"data": ' + b"[" * 500 + b"]" * 500 + b"}}",
    ):
        request = urllib.request.Request(address, bomb, {"Content-Type": "application/json"})
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=60)
        with refused.value:
            assert refused.value.code == (500 if len(bomb) > 10_000 else 400)
            said = refused.value.read()
            assert b"site-packages" not in said
            assert b".py" not in said
        assert len(ask(address, [image])) == 1
