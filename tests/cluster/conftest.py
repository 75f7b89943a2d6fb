"""One Ray a module, as starting it takes seconds."""

from collections.abc import Iterator

import pytest

from captcha_tagger.cluster.session import Session, open_session


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with open_session("local") as opened:
        yield opened
