"""Whether there is an Optuna to test with."""

from importlib.util import find_spec

import pytest

NEEDS_OPTUNA = pytest.mark.skipif(
    find_spec("optuna") is None, reason="Optuna is not installed: pip install '.[search]'"
)
