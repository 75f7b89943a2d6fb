"""The whole of params.yaml: every section in the model of the folder that it steers."""

from pathlib import Path

from captcha_tagger.backbone.params import Backbone
from captcha_tagger.base.settings import PARAMS, Section, read_params, validate
from captcha_tagger.drawing.params import Sample
from captcha_tagger.engine.params import Compute
from captcha_tagger.evaluate.params import Evaluate
from captcha_tagger.ingest.params import Ingest
from captcha_tagger.network.params import Read
from captcha_tagger.report.params import TopLosses
from captcha_tagger.serve.params import Serve
from captcha_tagger.split.params import Split
from captcha_tagger.training.params import FineTune, TrainHead


class Params(Section):
    """The sections in the order of the pipeline."""

    sample: Sample
    ingest: Ingest
    split: Split
    backbone: Backbone
    train_head: TrainHead
    fine_tune: FineTune
    evaluate: Evaluate
    top_losses: TopLosses
    read: Read
    serve: Serve
    compute: Compute


def load_params(path: Path = PARAMS) -> Params:
    """Read and validate the file; InputError names the first key that is wrong."""
    return validate(Params, read_params(path), str(path))
