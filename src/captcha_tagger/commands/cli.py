"""The command line: captcha-tagger adopt, check, predict, export, ui, record, register ...

Each command imports what it needs when it runs, so that --help answers at once.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import captcha_tagger.base.collector  # noqa: F401 - before torch and MLflow
from captcha_tagger.base.errors import InputError, exit_code
from captcha_tagger.base.interrupts import INTERRUPTED, keep_interrupts
from captcha_tagger.base.shown import accept_all_characters, escape

MODEL = "data/fine_tune/model"


def main(words: list[str] | None = None) -> None:
    """Run one command and exit: 0, 1 when part of it failed, 2 for bad input, 130 after Ctrl-C."""
    accept_all_characters()
    arguments = _parser().parse_args(words)
    try:
        with keep_interrupts():
            sys.exit(arguments.run(arguments))
    except InputError as error:
        print(f"captcha-tagger {arguments.command}: {escape(str(error))}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:  # whoever read our output has seen enough
        sys.stdout = None
        sys.exit(1)
    except OSError as error:
        print(f"captcha-tagger {arguments.command}: {escape(str(error))}", file=sys.stderr)
        sys.exit(exit_code(error))
    except KeyboardInterrupt:
        print(f"captcha-tagger {arguments.command}: interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="captcha-tagger", description="Tag captcha images.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    check = commands.add_parser("check", help="validate params.yaml and the files that it names")
    check.set_defaults(run=_check)

    adopt = commands.add_parser("adopt", help="let params.yaml and DVC know your images")
    adopt.add_argument(
        "source", type=_source, metavar="SOURCE", help="a folder, zip, CSV or .jsonl, or s3://..."
    )
    adopt.add_argument("--labels", type=Path, help="a table of texts that is not in SOURCE")
    adopt.add_argument("--contact-sheet", type=Path, metavar="PNG", help="show some images there")
    adopt.add_argument("--dry-run", action="store_true", help="look, and write nothing")
    adopt.set_defaults(run=_adopt)

    doubtful = commands.add_parser("doubtful", help="propose corrections of doubtful texts")
    doubtful.add_argument("--folds", type=_at_least(2), default=5, help="how many trainings")
    doubtful.add_argument("--first", type=_at_least(1), default=20, help="at most so many new rows")
    doubtful.add_argument("--out", type=Path, help="default: ingest.corrections; its rows stay")
    doubtful.set_defaults(run=_doubtful)

    lr_find = commands.add_parser("lr-find", help="find the head's learning rate, with a plot")
    lr_find.add_argument("--plot", type=Path, default=Path("lr_find.png"))
    lr_find.set_defaults(run=_lr_find)

    sweep = commands.add_parser("sweep", help="try values of params, each as a DVC experiment")
    sweep.add_argument(
        "--set",
        nargs="+",
        action="extend",
        required=True,
        metavar="KEY=A,B",
        help="as fine_tune.epochs=2,4, or 2..12 for a search",
    )
    some = sweep.add_mutually_exclusive_group()
    some.add_argument("--random", type=_at_least(1), metavar="N", help="draw N of all combinations")
    some.add_argument("--search", type=_at_least(1), metavar="N", help="let Optuna choose N trials")
    sweep.add_argument("--seed", type=int, default=0, help="of the draw or search")
    sweep.add_argument("--jobs", type=_at_least(1), help="trials at a time: 1, or one a machine")
    sweep.add_argument("--name", help="of the experiments; with the same they go on")
    sweep.set_defaults(run=_sweep)

    predict = commands.add_parser("predict", help="read images, and say which labels they contain")
    predict.add_argument(
        "paths", nargs="+", metavar="PATH", help="image, folder, glob, or s3://..."
    )
    predict.add_argument("--model", default=MODEL, help="model folder, MLflow run id or alias")
    predict.add_argument("--beam", action="store_true", help="add up all paths of a text: slower")
    predict.add_argument("--pattern", help="what a text must match, such as '[a-z0-9]{5}'")
    predict.add_argument("--json", action="store_true", help="print JSON for programs")
    predict.add_argument("--out", type=Path, help="write a Parquet file and print nothing")
    predict.set_defaults(run=_predict)

    serve = commands.add_parser("serve", help="answer on a page, and to programs, by HTTP")
    serve.add_argument("--model", default=MODEL, help="model folder, MLflow run id or alias")
    serve.add_argument("--host", default="127.0.0.1", help="an address of this machine")
    serve.add_argument("--port", type=int, default=5001, help="0 for any that is free")
    serve.set_defaults(run=_serve)

    label = commands.add_parser("label", help="label images on a page that proposes their texts")
    label.add_argument("folder", type=Path, metavar="FOLDER", help="a folder or zip of images")
    label.add_argument("--out", type=Path, default=Path("labels.csv"), help="the table that grows")
    label.add_argument("--model", help="who proposes: model folder, run id, alias, or shipped")
    label.set_defaults(run=_label)

    export = commands.add_parser("export", help="write the model as a file for other programs")
    export.add_argument("out", type=Path, metavar="OUT", help="the file, such as model.onnx")
    export.add_argument("--format", choices=["onnx"], default="onnx")
    export.add_argument("--model", default=MODEL, help="model folder, MLflow run id or alias")
    export.set_defaults(run=_export)

    ui = commands.add_parser("ui", help="open the MLflow UI on 127.0.0.1")
    ui.add_argument("--port", type=int, default=5000, help="0 for any that is free")
    ui.set_defaults(run=_ui)

    record = commands.add_parser("record", help="complete the MLflow store from what is on disk")
    record.set_defaults(run=_record)

    register = commands.add_parser("register", help="register a run's model; the best is champion")
    register.add_argument("name", nargs="?", default="workspace", help="run, revision or workspace")
    register.set_defaults(run=_register)

    compare = commands.add_parser("compare", help="say how two runs differ, and if by chance")
    compare.add_argument("a", help="workspace; Git revision; DVC experiment; run id, name or key")
    compare.add_argument("b")
    compare.add_argument("--page", type=Path, help="also write it as a page, compare.html")
    compare.set_defaults(run=_compare)
    return parser


def _source(word: str) -> Path | str:
    from captcha_tagger.source.store import is_address

    return word if is_address(word) else Path(word)


def _at_least(least: int) -> Callable[[str], int]:
    def count(word: str) -> int:
        if (number := int(word)) < least:
            raise ValueError
        return number

    return count


def _check(arguments: argparse.Namespace) -> int:
    from captcha_tagger.adopt.check import check

    check()
    return 0


def _adopt(arguments: argparse.Namespace) -> int:
    from captcha_tagger.adopt.adopt import adopt

    adopt(
        arguments.source,
        dry_run=arguments.dry_run,
        labels=arguments.labels,
        sheet=arguments.contact_sheet,
    )
    return 0


def _doubtful(arguments: argparse.Namespace) -> int:
    from captcha_tagger.commands.doubtful import propose_corrections
    from captcha_tagger.params import load_params

    params = load_params()
    out = arguments.out or Path(params.ingest.corrections)
    number = propose_corrections(params, out, folds=arguments.folds, first=arguments.first)
    print(f"{number} proposed in {out}; review them, then run dvc repro")
    return 0


def _lr_find(arguments: argparse.Namespace) -> int:
    from captcha_tagger.base.files import check_output
    from captcha_tagger.commands.lr_find import draw_range_test, find_rate
    from captcha_tagger.data.dataset import load_dataset
    from captcha_tagger.engine.compute import set_up
    from captcha_tagger.params import load_params
    from captcha_tagger.training.start import start_tagger

    data = Path("data")
    check_output("--plot", arguments.plot, ".png")
    if not (data / "backbone").exists() or not (data / "split").exists():
        raise InputError("data/split or data/backbone is missing; run dvc repro split backbone")
    params = load_params()
    machine = set_up(params.compute)
    images = load_dataset(data / "ingest", data / "split")
    model = start_tagger(data / "backbone", images, params.train_head)
    test = find_rate(model, images, params.train_head, machine)
    draw_range_test(arguments.plot, test)
    print(f"train_head.learning_rate: try {test.suggestion:.2g}; see {arguments.plot}")
    return 0


def _sweep(arguments: argparse.Namespace) -> int:
    from captcha_tagger.commands.sweep import run_sweep

    return run_sweep(
        arguments.set,
        number=arguments.random,
        search=arguments.search,
        seed=arguments.seed,
        jobs=arguments.jobs,
        name=arguments.name,
    )


def _predict(arguments: argparse.Namespace) -> int:
    from captcha_tagger.base.settings import validate
    from captcha_tagger.commands.predict import tag
    from captcha_tagger.network.params import Read

    beam = arguments.beam or arguments.pattern is not None
    words = {"decoding": "beam" if beam else "greedy", "pattern": arguments.pattern}
    how = validate(Read, words, "read.")
    return tag(arguments.paths, arguments.model, as_json=arguments.json, how=how, out=arguments.out)


def _serve(arguments: argparse.Namespace) -> int:
    from captcha_tagger.commands.serve import serve

    serve(arguments.model, arguments.host, arguments.port)
    return 0


def _label(arguments: argparse.Namespace) -> int:
    from captcha_tagger.commands.label import label

    label(arguments.folder, arguments.out, arguments.model)
    return 0


def _export(arguments: argparse.Namespace) -> int:
    from captcha_tagger.base.files import check_output
    from captcha_tagger.commands.predict import find_model
    from captcha_tagger.predict.onnx_file import write_onnx

    check_output("OUT", arguments.out, ".onnx")
    write_onnx(find_model(arguments.model), arguments.out)
    print(f"{arguments.out}: takes uint8 pixels in the model's shape; its metadata say which")
    return 0


def _ui(arguments: argparse.Namespace) -> NoReturn:
    from captcha_tagger.commands.ui import open_ui

    open_ui(arguments.port)


def _record(arguments: argparse.Namespace) -> int:
    from captcha_tagger.tracking.recorder import record_workspace

    for run_id in record_workspace():
        print(f"recorded run {run_id}")
    return 0


def _register(arguments: argparse.Namespace) -> int:
    from captcha_tagger.tracking.registry import register

    print(register(arguments.name))
    return 0


def _compare(arguments: argparse.Namespace) -> int:
    from captcha_tagger.commands.compare import compare_experiments

    print(compare_experiments(arguments.a, arguments.b, arguments.page))
    return 0


if __name__ == "__main__":
    main()
