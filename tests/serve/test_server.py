import pytest

from captcha_tagger.base.errors import InputError
from captcha_tagger.serve.server import listen


@pytest.mark.parametrize("host", ["a..b", "b" * 64, "no.such.host.invalid"])
def test_a_host_that_is_none_is_one_line(host: str) -> None:
    with pytest.raises(InputError, match="cannot be had"), listen(host, 0):
        pass
