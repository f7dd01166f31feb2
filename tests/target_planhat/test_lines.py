from __future__ import annotations

import math

import pytest

from target_planhat.lines import decoded


def test_what_json_does_not_know_but_taps_write_is_read_as_it_is():
    assert math.isnan(decoded(b'{"n":NaN}')["n"])
    assert decoded(b'{"n":"\\ud800"}') == {"n": "\ud800"}


@pytest.mark.parametrize("line", [b"", b"{", b"\xff", b"nothing"])
def test_what_is_no_json_is_an_error(line):
    with pytest.raises(ValueError):  # noqa: PT011 - of one of two libraries
        decoded(line)
