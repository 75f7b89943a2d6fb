"""Experiments that are swept, compared and shown: words, damaged scores, a dvc.lock of others."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.attack.scenario import (
    Arena,
    Attack,
    Scenario,
    each,
    leave_alone,
    params,
    put,
    remove,
    scenarios,
)
from tests.attack.test_outputs import DAMAGES, save_array
from tests.attack.test_params import WHOLE_FILES
from tests.repository import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # MLflow's own

SWEEP = ["sweep", "--set"]
BAD_SETS = {
    "no value": (["fine_tune.epochs"], "write SECTION.KEY"),
    "an empty value": (["fine_tune.epochs="], "a value is missing"),
    "a value too few": (["fine_tune.epochs=1,"], "a value is missing"),
    "nothing": ([""], "write SECTION.KEY"),
    "no name": (["=1"], "write SECTION.KEY"),
    "no section": ([".epochs=1"], "no such key"),
    "no key": (["fine_tune.=1"], "no such key"),
    "an unknown section": (["fine_tun.epochs=1"], "no such key"),
    "an unknown key": (["fine_tune.epoch=1"], "no such key"),
    "a key of a key": (["fine_tune.epochs.x=1"], "no such key"),
    "a name twice": (["split.seed=1", "split.seed=2"], "is set twice"),
    "a value twice": (["split.seed=1,1"], "stands there twice"),
    "an open bracket": (["fine_tune.learning_rates=[0.1,0.2"], "not readable as YAML"),
    "an alias": (["split.seed=*a"], "not readable as YAML"),
    "a tag": (["split.seed=!!python/object:os.system x"], "not readable as YAML"),
    "a tab": (["split.seed=\t"], "a value is missing"),
    "a zero byte": (["split.seed=\0"], "not readable as YAML"),
    "5,000 digits": ([f"split.seed={'9' * 5000}"], "not readable as YAML"),
    "nested too deep": (["split.seed=" + "[" * 5000], "not readable as YAML"),
    "a word": (["fine_tune.epochs=1,many"], "with fine_tune.epochs=many: fine_tune.epochs"),
    "not a number": (["evaluate.threshold=.nan"], "evaluate.threshold"),
    "more than can be done": (
        [f"split.seed={','.join(map(str, range(200)))}", f"sample.seed={','.join('123456789')}",
         f"train_head.seed={','.join('123456789')}"],
        "trials are more than",
    ),
    "no repository": (["split.seed=1"], "needs a Git repository"),
}  # fmt: skip


@scenarios(
    [
        Scenario(f"sweep: {name}", leave_alone, [*SWEEP, *words], 2, says)
        for name, (words, says) in BAD_SETS.items()
    ],
    [
        Scenario(
            f"sweep: params.yaml is {name}", attack, [*SWEEP, "split.seed=1"], 2, "params.yaml"
        )
        for name, attack, _ in WHOLE_FILES
    ],
    Scenario(
        "sweep: a section that is a number",
        put("params.yaml", "split: 1\n"),
        [*SWEEP, "split.seed=1"],
        2,
        "params.yaml",
    ),
)
def test_a_sweep_that_cannot_be_meant_runs_nothing(arena: Arena, scenario: Scenario) -> None:
    arena.play(scenario)
    assert not Path(".state/sweeps").exists()


def committed() -> None:
    """A repository of Git and DVC in which everything is committed."""
    put(".gitignore", "data/\n.state/\n")()
    who = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    shutil.copyfile(ROOT / "dvc.yaml", "dvc.yaml")
    for words in (
        ["git", "init", "-q"],
        [sys.executable, "-m", "dvc", "init", "-q"],
        ["git", "add", "-A"],
        ["git", *who, "commit", "-qm", "start"],
    ):
        subprocess.run(words, check=True)


PLAN = ".state/sweeps/mine/plan.json"
SEED = [*SWEEP, "split.seed=1"]
MINE = [*SEED, "--name", "mine"]


@scenarios(
    Scenario("a name of two parts", leave_alone, [*SEED, "--name", "a/b"], 2, "--name"),
    Scenario("a name above", leave_alone, [*SEED, "--name", ".."], 2, "--name"),
    Scenario("a name of an option", leave_alone, [*SEED, "--name=-f x"], 2, "--name"),
    Scenario("code that Git lacks", put("src/new.py", ""), MINE, 2, "git add it"),
    Scenario("another plan", put(PLAN, "{}"), MINE, 2, "has other trials"),
    Scenario("half a plan", put(PLAN, "{"), MINE, 2, "plan.json"),
    Scenario("a plan nested too deep", put(PLAN, "[" * 50_000), MINE, 2, "plan.json"),
    Scenario("a file for a folder", put(".state/sweeps/mine", ""), MINE, 1),
    Scenario("a damaged dvc.yaml", put("dvc.yaml", "<<<<<<< HEAD\n"), MINE, 2, "dvc.yaml"),
    Scenario("a damaged dvc.lock", put("dvc.lock", "<<<<<<< HEAD\n"), MINE, 2, "dvc.lock"),
    Scenario("another dvc.yaml", put("dvc.yaml", "stages: {}\n"), MINE, 2, "has no stage"),
    Scenario("a dvc.yaml of nothing", put("dvc.yaml", "plots: []\n"), MINE, 2, "has no stage"),
    Scenario("no dvc.yaml", remove("dvc.yaml"), MINE, 2, "dvc.yaml"),
    Scenario("no DVC", remove(".dvc"), MINE, 1, "dvc cache dir"),
    Scenario("a damaged DVC", put(".dvc/config", "[core\n"), MINE, 1, "dvc cache dir"),
)  # fmt: skip
def test_a_sweep_that_cannot_begin_says_why(arena: Arena, scenario: Scenario) -> None:
    committed()
    arena.play(scenario)


ANSWERS = "file,text,missed,invented,loss\n"
SIDES = ["compare", "workspace", "workspace", "--page", "out.html"]
LOCK = put("dvc.lock", "schema: '2.0'\nstages: {}\n")
LOCKS = {
    "no stages": "stages:\n",
    "a list of stages": "stages: [a]\n",
    "a word for stages": "stages: many\n",
    "a stage of nothing": "stages: {evaluate: }\n",
    "params of a number": "stages: {evaluate: {params: 3}}\n",
    "params of a list": "stages: {evaluate: {params: {params.yaml: [1]}}}\n",
    "dependencies of numbers": "stages: {ingest: {deps: [1]}}\n",
    "dependencies without a hash": "stages: {ingest: {deps: [{path: a}]}}\n",
    "hashes of lists": "stages: {ingest: {deps: [{path: a, md5: [1]}]}}\n",
    "a list": "- 1\n",
    "a conflict": "<<<<<<< HEAD\nstages: {}\n",
}
SCORES = {
    "metrics.json is a list": put("data/evaluate/metrics.json", "[]"),
    "metrics.json is a number": put("data/evaluate/metrics.json", "3"),
    "metrics.json is empty": put("data/evaluate/metrics.json", "{}"),
    "a score is a word": put("data/evaluate/metrics.json", '{"exact_set": "all"}'),
    "a score is nothing": put("data/evaluate/metrics.json", '{"exact_set": null}'),
    "details.json is empty": put("data/evaluate/details.json", "{}"),
    "intervals are a number": put("data/evaluate/details.json", '{"intervals": 3}'),
    "intervals are a list": put("data/evaluate/details.json", '{"intervals": [3]}'),
    "an interval is a number": put("data/evaluate/details.json", '{"intervals": {"loss": 3}}'),
    "an interval has no end": put(
        "data/evaluate/details.json", '{"intervals": {"loss": {"low": 0}}}'
    ),
    "an interval of words": put(
        "data/evaluate/details.json", '{"intervals": {"loss": {"low": "a", "high": "b"}}}'
    ),
    "an interval of another score": put(
        "data/evaluate/details.json", '{"intervals": {"luck": {"low": 0, "high": 1}}}'
    ),
}
TABLES = {
    "no columns": "\n",
    "other columns": "a,b\n1,2\n",
    "a cell too few": "label,f1\na\n",
    "words for numbers": (
        "label,precision,recall,f1,support,average_precision,threshold\na,x,x,x,x,x,x\n"
    ),
}


@scenarios(
    [
        Scenario(f"dvc.lock: {name}", put("dvc.lock", text), SIDES, 2)
        for name, text in LOCKS.items()
    ],
    [
        Scenario(f"{file} is {name}", each(LOCK, damage(f"data/{file}")), SIDES)
        for file in (
            "evaluate/metrics.json", "evaluate/details.json", "evaluate/predictions.csv",
            "ingest/manifest.jsonl", "ingest/pixels.npy",
        )
        for name, damage in DAMAGES.items()
        if not file.startswith("ingest/") or name not in ("gone", "empty")  # shown without images
        if (file, name) != ("evaluate/predictions.csv", "cut off")  # in a row of the table
    ],
    [Scenario(name, each(LOCK, attack), SIDES) for name, attack in SCORES.items()],
    [
        Scenario(f"labels.csv has {name}", each(LOCK, put("data/evaluate/labels.csv", text)), SIDES)
        for name, text in TABLES.items()
    ],
    Scenario(
        "pixels of a few",
        each(LOCK, save_array("data/ingest/pixels.npy", np.zeros((3, 1, 20, 40), np.uint8))),
        SIDES,
    ),
    Scenario("never evaluated", each(LOCK, remove("data/evaluate")), SIDES, 2, "not evaluated"),
)  # fmt: skip
def test_a_comparison_of_what_is_damaged_is_a_line(arena: Arena, scenario: Scenario) -> None:
    arena.play(scenario)


TESTED = "of the 7 validation images that both have"
LEFT = {
    "the workspace": (LOCK, TESTED),
    "no images": (each(LOCK, remove("data/ingest")), TESTED),
    "no curves": (each(LOCK, remove("data/fine_tune/epochs.csv")), TESTED),
    "no answers": (
        each(LOCK, put("data/evaluate/predictions.csv", ANSWERS)),
        "workspace was scored on 0 images, workspace on 0, none of them the same",
    ),
}


@pytest.mark.parametrize(("attack", "says"), LEFT.values(), ids=LEFT)
def test_a_comparison_shows_what_there_is(arena: Arena, attack: Attack, says: str) -> None:
    assert says in arena.play(Scenario("", attack, SIDES, 0))


@scenarios(
    Scenario(f"compare {name!r:.20}", each(committed, LOCK), ["compare", "workspace", name], 2)
    for name in ("", "HEAD", "HEAD~99", "no such", "../..", "x" * 5000, "refs/exps", "@{u}")
)
def test_what_is_no_experiment_is_a_line(arena: Arena, scenario: Scenario) -> None:
    arena.play(scenario)


SHOWN = "data/evaluate/answers"


@scenarios(
    [
        Scenario(f"top_losses: {name}", attack, ["top_losses"])
        for name, attack in SCORES.items()
    ],
    Scenario("rows too few", put("data/ingest/manifest.jsonl", ""), ["top_losses"]),
    Scenario(
        "pixels of a few",
        save_array("data/ingest/pixels.npy", np.zeros((3, 1, 20, 40), np.uint8)),
        ["top_losses"],
    ),
    Scenario(
        "evidence of a few",
        save_array(f"{SHOWN}/evidence.npy", np.zeros((1, 12, 1, 10), np.float16)),
        ["top_losses"],
    ),
    Scenario(
        "evidence without maps", save_array(f"{SHOWN}/evidence.npy", np.zeros(3)), ["top_losses"]
    ),
    Scenario("others are shown", save_array(f"{SHOWN}/shown.npy", np.array([999])), ["top_losses"]),
    Scenario(
        "steps of words",
        put("data/fine_tune/steps.csv", "step,phase,loss,learning_rate\nx,y,z,w\n"),
        ["top_losses"],
    ),
    Scenario(
        "a page of one image", params(top_losses={"page_images": 1}), ["top_losses"], 0
    ),
)  # fmt: skip
def test_a_page_of_what_is_damaged_is_a_line(arena: Arena, scenario: Scenario) -> None:
    arena.play(scenario)
