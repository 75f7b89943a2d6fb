"""The original blog post's fastai loop: a resnet18 without weights, or a model folder of ours.

A worker of benchmarks/training.py. Our package is imported only where the job names a model folder.
"""

from functools import partial
from pathlib import Path
from typing import Any

from fastai.vision.all import (
    BCEWithLogitsLossFlat,
    Callback,
    DataBlock,
    DataLoaders,
    ImageBlock,
    IndexSplitter,
    Learner,
    MultiCategoryBlock,
    PILImage,
    PILImageBW,
    Recorder,
    accuracy_multi,
    aug_transforms,
    params,
    resnet18,
    set_seed,
    vision_learner,
)
from progress import Progress, read_job
from torch import Tensor, nn

BATCH = 64


def main() -> None:
    job = read_job()
    progress = Progress(job["started"])
    progress.lap("start-up")
    set_seed(job["seed"])
    loaders = load_images(job)
    threshold = job["settings"]["threshold"]
    metrics = [partial(accuracy_multi, thresh=threshold), partial(exact_set, threshold=threshold)]
    learner = (
        Learner(
            loaders,
            load_ours(job["model"]),
            loss_func=BCEWithLogitsLossFlat(),
            splitter=split_ours,
            metrics=metrics,
        )
        if job["settings"]["on_ours"]
        else vision_learner(loaders, resnet18, pretrained=False, metrics=metrics)
    )
    learner.add_cb(Report(progress))
    progress.lap("load")
    frozen, unfrozen = job["settings"]["epochs"]
    with learner.no_bar(), learner.no_logging():
        learner.freeze()
        learner.fit_one_cycle(frozen, 5e-2)
        progress.lap("frozen epochs")
        learner.unfreeze()
        learner.fit_one_cycle(unfrozen, slice(1e-3, 1e-2))
        progress.lap("unfrozen epochs")
    images = (frozen + unfrozen) * len(loaders.train) * loaders.train.bs  # it drops the last batch
    progress.report_end(images, ["fastai", "torch"])


def load_images(job: dict[str, Any]) -> DataLoaders:
    texts = dict(job["train"] + job["validation"])
    num_train, folder = len(job["train"]), Path(job["folder"])
    image = PILImageBW if job["settings"]["on_ours"] else PILImage
    block = DataBlock(
        blocks=(ImageBlock(image), MultiCategoryBlock(vocab=job["vocabulary"])),
        get_x=lambda file: folder / file,
        get_y=lambda file: sorted(set(texts[file])),
        splitter=IndexSplitter(range(num_train, len(texts))),
        batch_tfms=aug_transforms(do_flip=False),
    )
    return block.dataloaders(list(texts), bs=min(BATCH, num_train))


def exact_set(logits: Tensor, targets: Tensor, threshold: float) -> Tensor:
    return ((logits.sigmoid() > threshold) == targets.bool()).all(1).float().mean()


class Report(Callback):
    """A line an epoch, with what fastai's own recorder found."""

    order = Recorder.order + 1

    def __init__(self, progress: Progress) -> None:
        self.progress = progress

    def after_epoch(self) -> None:
        _, _, label_accuracy, exact = self.learn.final_record
        self.progress.report_epoch(label_accuracy, exact)


class UnitPixels(nn.Module):
    """A Tagger, which takes pixels in 0..255, on fastai's pixels in 0..1."""

    def __init__(self, tagger: nn.Module) -> None:
        super().__init__()
        self.tagger = tagger

    def forward(self, pixels: Tensor) -> Tensor:
        return self.tagger(pixels * 255)


def load_ours(folder: str) -> UnitPixels:
    from captcha_tagger.network.model_folder import load_model

    return UnitPixels(load_model(Path(folder)))


def split_ours(model: UnitPixels) -> list[list[nn.Parameter]]:
    return [params(model.tagger.backbone), params(model.tagger.head)]


if __name__ == "__main__":
    main()
