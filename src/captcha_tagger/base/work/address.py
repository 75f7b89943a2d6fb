"""Which Ray cluster gets the work, if any: `compute.cluster` of params.yaml.

No stage depends on it, like `compute.workers`: where the work is done changes no bit.
"""

import os
from pathlib import Path

from pydantic import ConfigDict

from captcha_tagger.base.settings import PARAMS, Address, Section, load_section

INSIDE = "CAPTCHA_TAGGER_INSIDE_CLUSTER"  # set where Ray has started us: it shall not start Ray


class _Place(Section):
    """The one key of the section `compute` that concerns Ray."""

    model_config = ConfigDict(extra="ignore")

    cluster: Address | None


def load_address(path: Path = PARAMS) -> str | None:
    """The address; None where this process works alone, as it does inside of a task."""
    return keep_outside(load_section("compute", _Place, path).cluster)


def keep_outside(address: str | None) -> str | None:
    """The address, unless this process is a task itself."""
    return None if INSIDE in os.environ else address
