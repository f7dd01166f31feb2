from __future__ import annotations

import math

import pytest

from target_planhat.lines import decoded


def test_what_json_does_not_know_but_taps_write_is_read_as_it_is():
    assert math.isnan(decoded(b'{"n":NaN}')["n"])
    assert decoded(b'{"n":"\\ud800"}') == {"n": "\ud800"}


def test_what_can_be_read_at_all_can_be_read_exactly():
    assert decoded(b"123456789012345678901", exact=True) == 123456789012345678901
    deep = b"[" * 1010 + b"]" * 1010
    assert isinstance(decoded(deep, exact=True), list)


@pytest.mark.parametrize("line", [b"", b"{", b"\xff", b"nothing"])
def test_what_is_no_json_is_an_error(line):
    with pytest.raises(ValueError):  # noqa: PT011 - of one of two libraries
        decoded(line)
