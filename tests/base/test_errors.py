import pytest

from captcha_tagger.base.errors import hide_password


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("no answer from http://me:secret@host:5000/", "no answer from http://me:***@host:5000/"),
        ("postgresql://me:se/c@ret@host/db is gone", "postgresql://me:***@host/db is gone"),
        ("mysql://me:se:cret@host", "mysql://me:***@host"),
        ("http://:secret@host", "http://:***@host"),
        ("a://u:one@h and b://u:two@h", "a://u:***@h and b://u:***@h"),
        ("http://host:5000/a@b", "http://host:***@b"),  # rather a port too much
        ("no address: me@host", "no address: me@host"),
    ],
)
def test_no_text_shows_a_password(text: str, shown: str) -> None:
    assert hide_password(text) == shown
