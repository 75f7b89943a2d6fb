import base64
import hashlib
import json
import re
import zlib

import numpy as np
import pytest
from sklearn.metrics import f1_score

from captcha_tagger.base.settings import read_params
from captcha_tagger.report.page import format_percent
from captcha_tagger.report.report import CAPTIONS, list_images, write_report
from captcha_tagger.report.thumbnails import LEVELS
from tests.repository import PARAMS_FILE
from tests.runs import HOSTILE_NAMES, load_run, write_run


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return load_run(write_run(tmp_path_factory.mktemp("run")))


@pytest.fixture(scope="module")
def params():
    return read_params(PARAMS_FILE)


@pytest.fixture(scope="module")
def page(results, params, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_report(path, results, params, page_images=5000)
    return path.read_text(encoding="utf-8")


def test_the_same_results_give_the_same_bytes(results, params, page, tmp_path):
    write_report(tmp_path / "again.html", results, params, page_images=5000)
    assert (tmp_path / "again.html").read_text(encoding="utf-8") == page


def test_nothing_is_fetched_from_elsewhere(page):
    assert not re.search(r"""(?:src|href)\s*=\s*["'](?!data:|#)""", page)
    assert "@import" not in page
    assert "url(" not in page


def test_the_policy_allows_only_the_page_s_own_style_and_script(page):
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1].replace("&#39;", "'")
    for kind, element in (("style-src", "<style>"), ("script-src", "<script>")):
        text = page.split(element)[1].split(element.replace("<", "</"))[0]
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind} 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "unsafe" not in policy


def test_there_are_no_inline_handlers_or_styles(page):
    markup = re.sub(r"<(script|style).*?</\1>", "", page, flags=re.DOTALL)
    assert not re.search(r"<[^>]*\s(?:on\w+|style)=", markup)


def test_a_hostile_file_name_is_text(page):
    assert "<img src=x" not in page
    assert "<script>alert" not in page
    assert "<b>bold" not in page
    names = [image["file"] for image in read_images(page)["images"]]
    assert {HOSTILE_NAMES[n] for n in (0, 2)} <= set(names)


def test_each_headline_has_its_own_value_interval_and_baseline(results, page):
    targets = results.targets
    guesses = {
        "exact_set": 0.0,
        "label_accuracy": 1 - targets.mean(),
        "micro_f1": f1_score(targets, np.ones_like(targets), average="micro"),
        "macro_f1": f1_score(targets, np.ones_like(targets), average="macro", zero_division=np.nan),
    }
    items = re.findall(r"<h3>([^<]*)</h3>\s*<p class=\"value\">([^<]*)<.*?</li>", page, re.DOTALL)
    assert dict(items) == {
        CAPTIONS[name][0]: format_percent(results.metrics[name]) for name in guesses
    }
    text = page.replace("&nbsp;", "\N{NO-BREAK SPACE}")
    for name, guess in guesses.items():
        ends = results.metrics["intervals"][name]
        low, high = format_percent(ends["low"]), format_percent(ends["high"])
        card = text.split(f"<h3>{CAPTIONS[name][0]}</h3>")[1].split("</li>")[0]
        assert f"interval {low} to {high}" in card
        assert format_percent(guess) in card


def test_a_source_s_folder_stays_private(results, params, tmp_path):
    ingest = params["ingest"] | {"source": "/home/anna/secret/captchas.zip"}
    params = params | {"ingest": ingest}
    write_report(tmp_path / "report.html", results, params, page_images=5000)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "captchas.zip" in page
    assert "anna" not in page


def test_the_page_holds_the_worst_images_in_order(results, params, tmp_path):
    write_report(tmp_path / "report.html", results, params, page_images=7)
    images = read_images((tmp_path / "report.html").read_text(encoding="utf-8"))["images"]
    losses = results.losses.sum(1)
    shown = [image["position"] for image in images]
    assert len(shown) == 7
    assert losses[shown].min() >= np.delete(losses, shown).max()


def test_evidence_survives_the_packing(results):
    positions = results.worst_first[:5].tolist()
    packed = list_images(results, positions)["evidence"]
    levels = np.frombuffer(zlib.decompress(base64.b64decode(packed)), np.uint8)
    evidence = results.evidence[positions]
    peaks = evidence.max((2, 3), keepdims=True)
    unpacked = levels.reshape(evidence.shape) / LEVELS * peaks
    assert (np.abs(unpacked - evidence) <= 0.51 / LEVELS * peaks).all()


def test_a_run_without_errors_or_training_or_augmentation_has_a_page_too(params, tmp_path):
    data = write_run(tmp_path, noise=0)
    for phase in ("train_head", "fine_tune"):
        for name in ("steps.csv", "epochs.csv"):
            path = data / phase / name
            path.write_text(path.read_text().splitlines()[0] + "\n")
    np.save(data / "fine_tune" / "augmented.npy", np.zeros((0, 1, 24, 64), np.uint8))
    write_report(tmp_path / "report.html", load_run(data), params, page_images=9)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Nothing was trained" in page
    assert "Training saw the images as they are" in page


def test_a_run_that_reads_shows_texts_and_where_they_were_misread(params, tmp_path):
    results = load_run(write_run(tmp_path, labels="abcd", reads=True))  # reads bbcdd of abcd
    write_report(tmp_path / "report.html", results, params, page_images=5000)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    names = [CAPTIONS[name][0] for name in ("text_accuracy", "character_error_rate")]
    assert all(f"<h3>{name}</h3>" in page for name in names)
    assert "Confidence of texts" in page
    assert re.search(r"It read 29\s+whole texts", page)
    [wrong] = [image for image in read_images(page)["images"] if image["position"] == 0]
    assert wrong["reading"]["text"] == "bbcdd"
    steps = wrong["reading"]["steps"]
    assert [step[:3] for step in steps if step[0] != "right"] == [
        ["substituted", "a", "b"],
        ["extra", "", "d"],
    ]
    middles = [step[3] for step in steps]
    assert middles == sorted(middles)
    assert all(0 < middle < 1 for middle in middles)


def read_images(page):
    return json.loads(page.split('id="images">')[1].split("</script>")[0])
