"""A search on its folder, with outcomes that are told by hand."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.files import write_json
from captcha_tagger.commands.sweep import run_sweep
from captcha_tagger.sweep.plan import Settings, read_choices
from captcha_tagger.sweep.progress import Progress
from captcha_tagger.sweep.search import Search
from captcha_tagger.sweep.space import read_space
from captcha_tagger.sweep.trial import Outcome
from tests.repository import PARAMS_FILE
from tests.sweep.optunas import NEEDS_OPTUNA

WORDS = ["a.x=0.001..1:log", "a.y=p,q"]
GOOD = Outcome(1.0, {"exact_set": 0.9}, progress=Progress([0.6, 0.7, 0.8, 0.9], 4))


def open_search(folder: Path, number: int = 20, words: list[str] = WORDS) -> Search:
    search = Search(read_space(read_choices(words)), number, seed=3)
    search.open(folder)
    return search


def finish(search: Search, folder: Path, outcome: Outcome = GOOD) -> Settings:
    """Ask, and keep what is found as the driver does."""
    asked = search.ask()
    assert asked is not None
    number, settings = asked
    search.tell(number, outcome)
    if not outcome.failure:
        write_json(folder / f"{number}.json", {**outcome._asdict(), "settings": settings})
    return settings


@NEEDS_OPTUNA
def test_cut_off_between_any_two_trials_it_asks_for_the_same(tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    for folder in (whole, cut):
        folder.mkdir()
    search = open_search(whole)
    undisturbed = [finish(search, whole) for _ in range(13)]
    resumed = [finish(open_search(cut), cut) for _ in range(13)]
    assert resumed == undisturbed
    assert (whole / "asked.json").read_bytes() == (cut / "asked.json").read_bytes()


@NEEDS_OPTUNA
def test_what_was_at_work_comes_first_again_and_what_failed_too(tmp_path: Path) -> None:
    search = open_search(tmp_path)
    finish(search, tmp_path)
    failed = finish(search, tmp_path, Outcome(1.0, {}, "fine_tune: the loss is nan"))
    at_work = search.ask()
    again = open_search(tmp_path)
    assert again.ask() == (2, failed)
    assert again.ask() == at_work
    third = again.ask()
    assert third is not None
    assert third[0] == 4


@NEEDS_OPTUNA
def test_pruned_trials_are_not_asked_again(tmp_path: Path) -> None:
    pruned = Outcome(1.0, {}, progress=Progress([0.1], 4), pruned="after 1 of 4 epochs")
    search = open_search(tmp_path)
    finish(search, tmp_path)
    finish(search, tmp_path, pruned)
    asked = open_search(tmp_path).ask()
    assert asked is not None
    assert asked[0] == 3


@NEEDS_OPTUNA
def test_it_ends_after_so_many_and_goes_on_with_a_larger_number(tmp_path: Path) -> None:
    search = open_search(tmp_path, 2)
    assert search.plan == open_search(tmp_path, 4).plan
    finish(search, tmp_path)
    finish(search, tmp_path)
    assert search.ask() is None
    more = open_search(tmp_path, 4).ask()
    assert more is not None
    assert more[0] == 3


@NEEDS_OPTUNA
def test_few_combinations_are_all_of_them(tmp_path: Path) -> None:
    search = open_search(tmp_path, 20, ["a.x=1..2", "a.y=p,q"])
    assert search.total == 4
    tried = [finish(search, tmp_path) for _ in range(4)]
    assert len({tuple(settings.values()) for settings in tried}) == 4
    assert search.ask() is None


@NEEDS_OPTUNA
def test_it_says_why_a_trial_is_not_worth_going_on_with(tmp_path: Path) -> None:
    search = open_search(tmp_path)
    bad = Progress([0.1], 8)
    for _ in range(4):
        finish(search, tmp_path)
        assert search.judge(bad) == ""
    finish(search, tmp_path)
    assert search.judge(bad) == ""  # the first epochs of the others took longer
    assert search.judge(Progress([0.1, 0.2, 0.15], 8)) == (
        "after 3 of 8 epochs: exact_set 0.2000 is below the median of others there"
    )
    assert search.judge(Progress([0.1, 0.2, 0.7], 8)) == ""
    assert search.judge(Progress([0.1] * 8, 8)) == "", "it has ended"


@NEEDS_OPTUNA
def test_the_best_is_named(tmp_path: Path) -> None:
    search = open_search(tmp_path)
    assert search.describe_best() == "best: none, as no trial has ended well"
    finish(search, tmp_path, Outcome(1.0, {"exact_set": 0.5}))
    best = finish(search, tmp_path)
    finish(search, tmp_path)
    finish(search, tmp_path, Outcome(1.0, {}, "fine_tune: the loss is nan"))
    assert search.describe_best() == (
        f"best: trial 2: a.x={best['a.x']} a.y={best['a.y']}: exact_set 0.9000"
    )


@pytest.mark.parametrize("word", ["fine_tune.ema_decay=0..2", "fine_tune.epochs=-1..5"])
def test_both_ends_of_a_range_must_be_valid(
    word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copyfile(PARAMS_FILE, tmp_path / "params.yaml")
    monkeypatch.chdir(tmp_path)
    key = word.partition("=")[0]
    with pytest.raises(InputError, match=rf"^params\.yaml with {key}=(2|-1): {key}: "):
        run_sweep([word], number=None, search=3, seed=0, jobs=None, name=None)


def test_without_optuna_it_is_one_line(tmp_path: Path) -> None:
    """Where an import finds nothing, as after an installation without the extra."""
    script = (
        "import sys; sys.modules['optuna'] = None\n"
        "from captcha_tagger.commands.cli import main\n"
        "main(['sweep', '--search', '3', '--set', 'fine_tune.epochs=1..3'])"
    )
    shutil.copyfile(PARAMS_FILE, tmp_path / "params.yaml")
    words = [sys.executable, "-c", script]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (
        2,
        "captcha-tagger sweep: --search: Optuna is not installed; pip install -e '.[search]', or "
        "take --random\n",
    )
