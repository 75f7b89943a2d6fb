"""Whether Ray is installed, and a Ray cluster of two nodes on this machine.

Ray is not imported at the top: that would settle how it authenticates.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import pytest

from captcha_tagger.base.work import session as sessions
from tests.repository import ROOT

NEEDS_RAY = pytest.mark.skipif(
    find_spec("ray") is None, reason="Ray is not installed: pip install '.[cluster]'"
)


@contextmanager
def two_nodes(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A head with one core, and `other` with three; on 127.0.0.1 alone."""
    for name, value in {**sessions.ENVIRONMENT, sessions.TOKEN: sessions._token()}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), *sys.path[1:]]))  # for the nodes
    ray = sessions._import_ray()
    from ray.cluster_utils import Cluster

    monkeypatch.setattr(ray._private.services, "get_node_ip_address", lambda *_: sessions.LOOPBACK)
    head = {"num_cpus": 1, "node_ip_address": sessions.LOOPBACK, "include_dashboard": False}
    made = Cluster(initialize_head=True, head_node_args=head)
    made.other = made.add_node(num_cpus=3, node_ip_address=sessions.LOOPBACK)
    yield made
    made.shutdown()
