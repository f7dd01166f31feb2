from __future__ import annotations

from decimal import Decimal

import pytest

from planhat_api.redact import shown
from planhat_api.resources import Kind
from target_planhat.record.errors import ConversionError
from target_planhat.record.values import CONVERTERS, number


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (7, 7),
        (7.25, 7.25),
        ("7", 7),
        (" -7.25 ", -7.25),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("7.0", 7.0),
        (Decimal("7.25"), 7.25),
        (Decimal("7.00"), 7),
        ("", None),
    ],
)
def test_numbers_are_read_from_text(value, expected):
    result = number(value)
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(
    "value",
    [
        "NaN",
        "1,5",
        "Infinity",
        "1_000",
        "1e999",
        "1e99999999999999999999",
        2**63,
        float("nan"),
        True,
        [],
        b"7",
    ],
)
def test_what_is_no_finite_number_is_refused(value):
    with pytest.raises(ConversionError):
        number(value)


def test_every_kind_of_property_has_its_converter():
    assert set(CONVERTERS) == set(Kind)


@pytest.mark.parametrize(
    "value",
    [
        "x" * 999,
        b"x" * 999,
        "\ud800",
        pytest.param(10**5000, id="huge"),
        Decimal(10) ** 999,
        [1],
        {},
        object(),
        1.5,
    ],
)
def test_a_quoted_value_is_short_and_can_be_written(value):
    quoted = shown(value)
    assert 0 < len(quoted.encode()) < 100
