from __future__ import annotations

import time
from collections import OrderedDict
from datetime import date, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from uuid import UUID

import pytest

from planhat_api.redact import shown
from planhat_api.resources import Kind
from target_planhat.record.errors import ConversionError
from target_planhat.record.numbers import number
from target_planhat.record.values import CONVERTERS

ID = "6102c9748084189dcbf0df60"
OTHER_ID = "58e231b14246fc73139f29e8"
COMPANY = "61006bc89a3e0b702ed8ea49"
TASK = {"sourceId": "sf-1", "companyId": COMPANY}


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
        (2**63, 2.0**63),
        (-(10**22), -1e22),
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
        2**63 + 1,
        float("nan"),
        True,
        [],
        b"7",
    ],
)
def test_what_is_no_finite_number_is_rejected(value):
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


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("", ""),
        ("Grüße", "Grüße"),
        (1234, "1234"),
        (12.0, "12"),
        (-0.0, "0"),
        (1.5, "1.5"),
        (1e22, "1e+22"),
        (10**40, "1" + "0" * 40),
        (Decimal("12.00"), "12"),
        (Decimal("12.50"), "12.50"),
        (Decimal("1E+30"), "1" + "0" * 30),
        (Decimal("1E-7"), "0.0000001"),
        (Decimal("0E-9"), "0"),
        (Decimal("1E-999999"), "1E-999999"),
        (Decimal("1E+999999"), "1E+999999"),
        (True, "true"),
        (False, "false"),
        (b"bytes", "bytes"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (date(2024, 2, 29), "2024-02-29"),
        (datetime(2024, 2, 29, 1, 2, 3), "2024-02-29T01:02:03.000Z"),  # noqa: DTZ001
    ],
)
def test_whatever_reads_as_text_becomes_text(sent, value, text):
    assert sent("action", value) == text


@pytest.mark.parametrize(
    "value",
    [{"a": 1}, [1], float("nan"), float("-inf"), Decimal("sNaN"), b"\xff", {1}, object()],
)
def test_what_does_not_read_as_text_is_rejected(reason, value):
    assert "`action` must be text, but is " in reason({**TASK, "action": value})


def test_a_number_with_more_digits_than_python_writes_is_rejected(reason):
    why = reason({**TASK, "action": 10**5000, "custom__a": 1})
    assert why == "`action` must be text, but is a number of more than 60 digits."


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2021-07-29T15:29:34.330Z", "2021-07-29T15:29:34.330Z"),
        ("2021-07-29T15:29:34.33Z", "2021-07-29T15:29:34.330Z"),
        ("2021-07-29T15:29:34Z", "2021-07-29T15:29:34.000Z"),
        ("2021-07-29T15:29:34.3309999Z", "2021-07-29T15:29:34.330Z"),
        ("2021-07-29T15:29:34.330123456+00:00", "2021-07-29T15:29:34.330Z"),
        ("2021-07-29T15:29:34,5", "2021-07-29T15:29:34.500Z"),
        ("2021-07-29t15:29z", "2021-07-29T15:29:00.000Z"),
        ("2021-07-29T15:29:34", "2021-07-29T15:29:34.000Z"),
        ("2021-07-29 15:29:34.33+00", "2021-07-29T15:29:34.330Z"),
        ("2021-07-29 15:29:34 UTC", "2021-07-29T15:29:34.000Z"),
        ("2021-07-29 01:29:34 +0200", "2021-07-28T23:29:34.000Z"),
        ("2021-07-29T20:59:34-05:30", "2021-07-30T02:29:34.000Z"),
        (" 2021-07-29 ", "2021-07-29T00:00:00.000Z"),
        ("0001-01-01", "0001-01-01T00:00:00.000Z"),
        (date(2021, 7, 29), "2021-07-29T00:00:00.000Z"),
        (datetime(2021, 7, 29, 15, 29, 34, 330999), "2021-07-29T15:29:34.330Z"),  # noqa: DTZ001
        (
            datetime(2021, 7, 29, tzinfo=timezone(timedelta(hours=2))),
            "2021-07-28T22:00:00.000Z",
        ),
    ],
)
def test_dates_are_sent_as_iso_8601_in_utc_with_milliseconds(sent, value, expected):
    assert sent("startTime", value) == expected


@pytest.mark.parametrize(
    "value",
    [
        "29/07/2021",
        "Jul 29, 2021",
        "2021-02-30",
        "2021-02-30T00:00:00.000Z",
        "2021-07-29T24:00:00.000Z",
        "2021-07-29T15:29:60Z",
        "0001-01-01T00:00:00+01:00",
        "2021-07-29T15:29:34+25:00",
        "\u0662\u0660\u0662\u0661-07-29",
        "tomorrow",
        "1627572574330",
        1627572574330,
        1627572574,
        True,
        datetime.max.replace(tzinfo=timezone(timedelta(hours=-1))),
    ],
)
def test_a_date_that_cannot_be_read_in_one_way_only_is_rejected(reason, value):
    assert "`startTime` must be a date such as " in reason({**TASK, "startTime": value})


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, True),
        (False, False),
        *((word, True) for word in ("true", "TRUE", "t", "yes", "Y", "1", " true ", 1, 1.0)),
        *((word, False) for word in ("false", "False", "f", "no", "n", "0", 0, Decimal(0))),
    ],
)
def test_booleans_are_read_from_words_and_digits(sent, value, expected):
    assert sent("isArchived", value) is expected


@pytest.mark.parametrize("value", ["maybe", 2, -1, 0.5, [], float("nan"), Decimal("sNaN")])
def test_what_is_neither_true_nor_false_is_rejected(reason, value):
    assert "`isArchived` must be true or false" in reason({**TASK, "isArchived": value})


@pytest.mark.parametrize("value", [7, "7", " 7 ", "+7", 7.0, "7.0", "7.", Decimal("7.00")])
def test_whole_numbers_are_read_from_text_and_floats(sent, value):
    days = sent("repeatDays", value)
    assert days == 7
    assert type(days) is int


@pytest.mark.parametrize(
    "value",
    [
        *("7.5", "seven", "0x7", "1e3", "\u0667", "7 8", 7.5, True, [7], 2**63, "9" * 20),
        *(float("inf"), float("nan"), Decimal("NaN"), Decimal("1E+999999"), Decimal("1E-999999")),
    ],
)
def test_what_is_no_whole_number_is_rejected(reason, value):
    assert "`repeatDays` must be a whole number" in reason({**TASK, "repeatDays": value})


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (["a"], ["a"]),
        ([], []),
        ('["a", {"b": 1}]', ["a", {"b": 1}]),
        (("a", 1), ["a", 1]),
        ([[OrderedDict(a=Decimal("1.5"))]], [[{"a": 1.5}]]),
        ([date(2024, 1, 1), UUID(int=0)], ["2024-01-01", "00000000-0000-0000-0000-000000000000"]),
    ],
)
def test_lists_are_taken_as_they_are_or_from_json_text(sent, value, expected):
    assert sent("activityTags", value) == expected


@pytest.mark.parametrize("value", ["a,b", "{a,b}", "['a']", "[1", '{"a": 1}', {"a": 1}, 1, "a"])
def test_what_is_no_list_is_rejected(reason, value):
    assert "`activityTags` must be a list" in reason({**TASK, "activityTags": value})


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        Decimal("Infinity"),
        Decimal("sNaN"),
        {1},
        b"\xff",
        {1: 1},
    ],
)
def test_what_json_cannot_carry_is_rejected_at_any_depth(reason, value):
    for name, holder in (
        ("custom", {"a": [{"b": value}]}),
        ("custom__a", value),
        ("checklist", [value]),
    ):
        why = reason({**TASK, name: holder})
        assert "must hold nothing but text, finite numbers" in why
        assert name in why


@pytest.mark.parametrize("value", [2**64 + 1, -(2**63) - 1, 10**400])
def test_an_integer_that_json_readers_would_round_is_rejected(reason, value):
    assert "no integer of more than 64 bits, unless as text" in reason({**TASK, "custom__a": value})
    assert "no integer of more than 64 bits" in reason({**TASK, "checklist": [{"a": value}]})


def test_nesting_without_end_is_rejected(reason):
    endless: list = []
    endless.append(endless)
    assert "nested deeper" in reason({**TASK, "checklist": endless})
    assert "nested deeper" in reason({**TASK, "custom": '{"a":' * 150 + "1" + "}" * 150})


@pytest.mark.parametrize(
    "record",
    [
        {"action": "\ud800"},
        {"sourceId": "\udfff"},
        {"custom": {"a": "\ud800"}},
        {"custom": {"\ud800": 1}},
        {"custom__\ud800": 1},
        {"custom__\ud800": 1, "CUSTOM__\ud800": 1},
        {"checklist": ["\ud800"]},
        {"companyId": "extid-\ud800"},
    ],
)
def test_half_a_character_is_rejected_in_words_that_can_be_written(reason, record):
    why = reason({**TASK, **record})
    assert "surrogate" in why
    why.encode()


@pytest.fixture
def in_tokyo(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("in_tokyo")
def test_a_zone_that_knows_no_offset_is_utc_wherever_the_target_runs(sent):
    class Unknown(tzinfo):
        def utcoffset(self, _when):
            return None

    assert sent("startTime", "2021-07-29 00:00:00") == "2021-07-29T00:00:00.000Z"
    assert sent("startTime", datetime(2021, 7, 29, tzinfo=Unknown())) == "2021-07-29T00:00:00.000Z"


def test_a_rejection_quotes_the_column_and_a_shortened_value(reason):
    why = reason({**TASK, "start_time": "x" * 500})
    assert "`startTime` (column 'start_time')" in why
    assert len(why) < 250
