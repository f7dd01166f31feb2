from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planhat_api.redact import SHOWN, Redactor, shorten

SECRET = "tKn+9f/Za7Qx.Lm2=0wErTy-55uIoP_aSdF"


@pytest.mark.parametrize(
    "shown",
    [
        SECRET,
        SECRET.upper(),
        quote(SECRET, safe=""),
        quote(SECRET, safe="").lower(),
        SECRET.replace("/", "\\/"),
        SECRET + SECRET,
    ],
)
def test_the_secret_is_taken_out_in_every_way_it_may_be_written(shown):
    assert Redactor(SECRET)(f"you sent {shown}, no") == "you sent ***, no"


@pytest.mark.parametrize("cut", [8, 9, 20, len(SECRET) - 1])
def test_a_secret_cut_short_at_either_end_is_taken_out(cut):
    hide = Redactor(SECRET)
    assert hide(f"x {SECRET[:cut]}") == "x ***"
    assert hide(f"{SECRET[-cut:]} x") == "*** x"


def test_a_secret_that_only_a_cut_would_bring_to_light_is_taken_out():
    text = " " * 4000 + SECRET[:12]
    assert Redactor(SECRET)(text) == "***"


def test_a_short_secret_is_taken_out_whole():
    assert Redactor("abc")("1 abc 2 ab 3") == "1 *** 2 ab 3"
    assert Redactor("a/b")("Bearer A/B, a%2Fb, a\\/b") == "Bearer ***, ***, ***"


def test_a_short_secret_is_left_where_it_is_part_of_a_word():
    assert Redactor("any")("companyId is not valid for any") == "companyId is not valid for ***"


def test_other_words_stay():
    assert Redactor(SECRET)("sourceId X duplicated, İstanbul") == "sourceId X duplicated, İstanbul"
    # A letter that grows when it is made small must not shift what is taken out.
    assert Redactor(SECRET)(f"İİİ {SECRET} İİİ") == "İİİ *** İİİ"


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=50), st.text(max_size=50), st.integers(8, len(SECRET)), st.data())
def test_no_eight_characters_of_the_secret_are_ever_shown(before, after, length, data):
    start = data.draw(st.integers(0, len(SECRET) - length))
    shown = Redactor(SECRET)(before + SECRET[start : start + length] + after).lower()
    assert all(SECRET[i : i + 8].lower() not in shown for i in range(len(SECRET) - 7))


def test_a_text_becomes_one_line_without_control_characters():
    assert shorten("a\r\n\tb \x1b[31mred\x00\u202ex") == "a b [31mred x"


def test_a_long_text_is_cut_and_says_so():
    assert shorten("x" * (SHOWN + 1)) == "x" * SHOWN + "…"
    assert shorten("x" * SHOWN) == "x" * SHOWN
