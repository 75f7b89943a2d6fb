"""Whether there is a Ray to test with; importing it here would settle how it authenticates."""

from importlib.util import find_spec

import pytest

NEEDS_RAY = pytest.mark.skipif(
    find_spec("ray") is None, reason="Ray is not installed: pip install '.[cluster]'"
)
