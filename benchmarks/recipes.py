"""What else the recipe could have been: each variant in the same cross-validation as the default.

    python benchmarks/recipes.py FOLDER [--seeds 3] [--only NAME,NAME] [-S PARAM=VALUE]

5 folds x seeds over the images that benchmarks/quality.py does not set aside, on the backbone of
data/backbone. For each variant: images with a wrong label set per seed, over all seeds, how many
only it or only the default has wrong, and McNemar's exact test of that. Finished trainings are kept
under .state/trials/. A variant that is no param replaces a function of the training for a while.
"""

import argparse
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from numpy.typing import NDArray
from tabulate import tabulate
from torch import Tensor, nn
from torch.nn import functional
from trials import (
    FOLDS,
    ORIGINAL_HEAD,
    change,
    load_images,
    parse_changes,
    parse_names,
    set_aside,
    split,
    with_seed,
)

from captcha_tagger.compare.differences import mcnemar
from captcha_tagger.data.dataset import Dataset
from captcha_tagger.data.images import LabelledImages
from captcha_tagger.engine.compute import set_up
from captcha_tagger.network.tagger import Tagger
from captcha_tagger.params import load_params
from captcha_tagger.review.trial import answer
from captcha_tagger.training import fitting

SHIFTS = ((0, 0), (-1, -3), (1, 3))  # rows and columns; default positions are 8 pixels apart


@dataclass(frozen=True)
class Variant:
    """Params that differ from the default's, and what replaces a function of the training."""

    changes: dict[str, object] = field(default_factory=dict)
    replaced: Callable[[], AbstractContextManager[Any]] = nullcontext


def smooth_labels(share: float) -> AbstractContextManager[Any]:
    """Targets of 1 and 0 become 1 - share / 2 and share / 2 (Szegedy et al., 2015)."""
    original = Dataset.train_images

    def train_images(data: Dataset, device: torch.device) -> LabelledImages:
        images = original(data, device)
        images.targets = images.targets * (1 - share) + share / 2
        return images

    return patch.object(Dataset, "train_images", train_images)


def use_optimizer(make: Callable[..., torch.optim.Optimizer], factor: float = 1.0) -> Any:
    """Another optimizer over the same groups of parameters, its rates so many times as high."""
    original = fitting.build_optimizer

    def build(groups: list[list[nn.Parameter]], peaks: list[float], decay: float) -> Any:
        adamw = original(groups, [peak * factor for peak in peaks], decay)
        kept = ("params", "peak", "weight_decay")
        return make([{name: group[name] for name in kept} for group in adamw.param_groups])

    return patch.object(fitting, "build_optimizer", build)


def sgd(groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
    return torch.optim.SGD(groups, lr=0.0, momentum=0.9, nesterov=True)


def nadam(groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
    return torch.optim.NAdam(groups, lr=0.0, betas=(0.9, 0.99), decoupled_weight_decay=True)


def radam(groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
    return torch.optim.RAdam(groups, lr=0.0, betas=(0.9, 0.99), decoupled_weight_decay=True)


def average_shifts() -> AbstractContextManager[Any]:
    """In eval mode the mean prob of the image as it is and of two moved a little."""
    forward = Tagger.forward

    def average(model: Tagger, pixels: Tensor) -> Tensor:
        if model.training:
            return forward(model, pixels)
        height, width = pixels.shape[2:]
        room = functional.pad(pixels.float(), (3, 3, 3, 3), mode="replicate")
        moved = [room[:, :, 3 - y :, 3 - x :][:, :, :height, :width] for y, x in SHIFTS]
        logits = torch.stack([forward(model, images) for images in moved])
        present, absent = functional.logsigmoid(logits), functional.logsigmoid(-logits)
        return present.logsumexp(0) - absent.logsumexp(0)

    return patch.object(Tagger, "forward", average)


VARIANTS = {
    "default": Variant(),
    "3 epochs": Variant({"fine_tune.epochs": 3}),
    "8 epochs": Variant({"fine_tune.epochs": 8}),
    "batches of 16": Variant({"fine_tune.batch_size": 16}),
    "batches of 64, 8 epochs": Variant({"fine_tune.batch_size": 64, "fine_tune.epochs": 8}),
    "a third of the rates": Variant({"fine_tune.learning_rates": [0.001, 0.0003]}),
    "three times the rates": Variant({"fine_tune.learning_rates": [0.01, 0.003]}),
    "one rate for all layers": Variant({"fine_tune.learning_rates": [0.001, 0.001]}),
    "rates that rise to the head": Variant({"fine_tune.learning_rates": [0.0003, 0.001]}),
    "no weight decay": Variant({"fine_tune.weight_decay": 0.0, "train_head.weight_decay": 0.0}),
    "SGD with Nesterov momentum": Variant(replaced=lambda: use_optimizer(sgd, 30.0)),
    "NAdam": Variant(replaced=lambda: use_optimizer(nadam)),
    "RAdam": Variant(replaced=lambda: use_optimizer(radam)),
    "label smoothing 0.02": Variant(replaced=lambda: smooth_labels(0.02)),
    "label smoothing 0.1": Variant(replaced=lambda: smooth_labels(0.1)),
    "moving average of weights": Variant({"fine_tune.ema_decay": 0.98}),
    "no moving average of weights": Variant({"fine_tune.ema_decay": 0.0}),
    "mean over three shifts": Variant(replaced=average_shifts),
    "no augmentation": Variant({"fine_tune.augment": False}),
    "the original's head, epochs and rates": Variant(ORIGINAL_HEAD),
    "threshold 0.5": Variant({"fine_tune.threshold": 0.5}),
}


def find_wrong(
    variant: str, data: Dataset, args: argparse.Namespace
) -> Iterator[NDArray[np.bool_]]:
    """For each seed, which of the images have a wrong label set, each out of its fold."""
    is_patched = VARIANTS[variant].replaced is not nullcontext
    code = f"{variant}: {Path(__file__).read_text()}" if is_patched else ""
    params = change(args.params, VARIANTS[variant].changes)
    machine = set_up(params.compute)
    for seed in range(args.seeds):
        wrong = np.zeros(len(data.rows), bool)
        for fold in range(FOLDS):
            trial = with_seed(params, seed, folds=FOLDS, fold=fold)
            with VARIANTS[variant].replaced():
                one = answer(split(data, trial), args.backbone, trial, machine, variant=code)
            predicted, actual = one.probs > one.threshold, one.targets > 0.5
            wrong[one.rows] = (predicted != actual).any(1)
        yield wrong


def main() -> None:
    parser = argparse.ArgumentParser(usage=__doc__.replace("%", "%%"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", type=partial(parse_names, known=VARIANTS), default=list(VARIANTS))
    parser.add_argument("--backbone", type=Path, default=Path("data/backbone"))
    parser.add_argument("-S", dest="changes", action="append", default=[], metavar="PARAM=VALUE")
    args = parser.parse_args()
    args.params = change(load_params(), parse_changes(args.changes))
    data, _ = set_aside(load_images(args.folder, args.params))
    rows: list[list[Any]] = []
    default = np.concatenate([*find_wrong("default", data, args)])
    for name in args.only:
        seeds = [*find_wrong(name, data, args)]
        wrong = np.concatenate(seeds)
        only_it, only_default = int((wrong & ~default).sum()), int((default & ~wrong).sum())
        a_seed = " ".join(str(int(one.sum())) for one in seeds)
        rows.append(
            [name, a_seed, int(wrong.sum()), only_it, only_default, mcnemar(only_it, only_default)]
        )
        print(name, a_seed, flush=True)
    images = len(data.train) * args.seeds
    print(f"\nWrong label sets of {images} ({args.seeds} seeds):\n")
    columns = ["variant", "a seed", "all", "only it", "only the default", "p"]
    print(tabulate(rows, columns, "github", floatfmt=".2f"))


if __name__ == "__main__":
    main()
