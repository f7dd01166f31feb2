from __future__ import annotations

import json
import time
from collections import OrderedDict
from datetime import date, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from uuid import UUID

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planhat_api.resources import CAMPAIGNS, CONVERSATIONS, NPS, RESOURCES, TASKS
from target_planhat.item import Item
from target_planhat.record.converter import Options, RecordConverter, Refusal, resource_for

SAMPLES = Path(__file__).parents[2] / "fixtures" / "samples"
ID = "6102c9748084189dcbf0df60"
OTHER_ID = "58e231b14246fc73139f29e8"
COMPANY = "61006bc89a3e0b702ed8ea49"
TASK = {"sourceId": "sf-1", "companyId": COMPANY}


def outcome(record, resource=TASKS, keys=("id",), columns=(), stream=None, **options):
    plan = RecordConverter(resource, stream or resource.name, keys, Options(**options), columns)
    return plan.convert(record)


def item(record, resource=TASKS, keys=("id",), columns=(), stream=None, **options) -> Item:
    result = outcome(record, resource, keys, columns, stream, **options)
    assert isinstance(result, Item), result
    return result


def reason(record, resource=TASKS, keys=("id",), columns=(), stream=None, **options) -> str:
    result = outcome(record, resource, keys, columns, stream, **options)
    assert isinstance(result, Refusal), result
    return result.reason


def sent(name, value, **options):
    """What of a task's property arrives in the item."""
    return item({**TASK, name: value}, **options).body.get(name)


# The resource


@pytest.mark.parametrize(
    ("stream", "resource"),
    [
        ("tasks", TASKS),
        ("task", TASKS),
        ("Tasks", TASKS),
        ("public-tasks", TASKS),
        ("PUBLIC-TASKS", TASKS),
        ("public.nps", NPS),
        ("ANALYTICS__CONVERSATIONS", CONVERSATIONS),
        ("crm-sales-campaign", CAMPAIGNS),
    ],
)
def test_a_stream_goes_to_the_resource_it_is_named_after(stream, resource):
    assert resource_for(stream) is resource


@pytest.mark.parametrize(
    "stream", ["", "users", "mytasks", "planhat_tasks", "tasks_archive", "tasks\n", "tasks-2024"]
)
def test_a_stream_that_is_named_after_no_resource_has_none(stream):
    assert resource_for(stream) is None


# Property names


@pytest.mark.parametrize(
    "column", ["companyId", "companyid", "COMPANYID", "company_id", "COMPANY_ID", "Company_Id_"]
)
def test_property_names_are_found_whatever_case_and_underscores(column):
    assert item({"sourceId": "1", column: COMPANY}).body["companyId"] == COMPANY


@pytest.mark.parametrize("column", ["_id", "_ID", "_Id"])
def test_the_key_is_known_by_its_leading_underscore(column):
    assert item({column: ID}).keys == {"_id": ID}


@pytest.mark.parametrize("column", ["id", "ID", "Id", "i_d", "__id"])
def test_the_id_of_another_system_never_becomes_planhats(column):
    made = item({**TASK, column: ID}, unknown_properties="custom")
    assert made.keys == {"sourceId": "sf-1"}
    assert made.body["custom"] == {column: ID}


def test_two_columns_that_meet_in_one_property_are_refused_by_name():
    why = reason({**TASK, "company_id": COMPANY})
    assert "'companyId'" in why
    assert "'company_id'" in why


def test_two_columns_that_meet_are_refused_even_where_one_is_null():
    assert "both `action`" in reason({**TASK, "action": "Call", "ACTION": None})


def test_two_columns_that_meet_in_a_property_that_is_not_sent_do_no_harm():
    assert item({**TASK, "companyName": "A", "company_name": "B"}).body == TASK


def test_a_postgres_table_in_lower_case_fits_a_task():
    row = {
        "id": 17,
        "sourceid": "00T5g00000AbCdE",
        "companyid": "extid-4711",
        "maintype": "task",
        "action": "Renewal call",
        "starttime": "2024-03-01T09:00:00+01:00",
        "datedone": None,
        "ownerid": OTHER_ID.upper(),
        "isarchived": False,
        "nospecifictime": True,
        "repeatdays": 7,
        "activitytags": ["renewal", "q1"],
        "checklist": '[{"title": "Agenda"}]',
        "custom": {"Priority": "high", "Value": 12.5},
        "created_at": "2024-02-01T00:00:00+00:00",
        "_sdc_deleted_at": None,
    }
    made = item(row, stream="public-tasks")
    assert made.body == {
        "companyId": "extid-4711",
        "mainType": "task",
        "startTime": "2024-03-01T08:00:00.000Z",
        "action": "Renewal call",
        "repeatDays": 7,
        "ownerId": OTHER_ID,
        "sourceId": "00T5g00000AbCdE",
        "noSpecificTime": True,
        "activityTags": ["renewal", "q1"],
        "isArchived": False,
        "checklist": [{"title": "Agenda"}],
        "custom": {"Priority": "high", "Value": 12.5},
    }


def test_a_csv_file_where_all_is_text_fits_a_conversation():
    row = {
        "externalId": "0042",
        "companyId": COMPANY,
        "subject": "Kick-off",
        "description": "",
        "date": "2024-03-01 09:00:00",
        "outDate": "",
        "starred": "true",
        "pinned": "f",
        "archived": "",
        "users": "[]",
        "endusers": f'[{{"id": "{ID}"}}]',
        "activityTags": "",
        "numberOfParts": "3",
        "custom__Seats": "12",
    }
    assert item(row, CONVERSATIONS).body == {
        "subject": "Kick-off",
        "companyId": COMPANY,
        "description": "",
        "date": "2024-03-01T09:00:00.000Z",
        "users": [],
        "endusers": [{"id": ID}],
        "externalId": "0042",
        "starred": True,
        "pinned": False,
        "custom": {"Seats": "12"},
    }


# Properties that are not sent


def test_autogenerated_properties_and_metadata_columns_are_stripped():
    extra = {
        "companyName": "Tenet",
        "shared": True,
        "createdAt": "not even a date",
        "__v": 3,
        "_sdc_batched_at": "2024-01-01T00:00:00Z",
        "_SDC_SEQUENCE": 1,
    }
    for unknown in ("drop", "custom", "reject"):
        assert item({**TASK, **extra}, unknown_properties=unknown).body == {
            "companyId": COMPANY,
            "sourceId": "sf-1",
        }


def test_autogenerated_properties_that_planhat_takes_are_sent():
    made = item({**TASK, "ownerName": "Alex", "noSpecificTime": True})
    assert made.body["ownerName"] == "Alex"
    assert made.body["noSpecificTime"] is True


def test_unknown_columns_are_dropped_kept_in_custom_or_refused():
    record = {**TASK, "Deal_Size": 12}
    assert "custom" not in item(record).body
    assert item(record, unknown_properties="custom").body["custom"] == {"Deal_Size": 12}
    why = reason(record, unknown_properties="reject")
    assert "'Deal_Size'" in why
    assert "tasks" in why


# custom


@pytest.mark.parametrize("prefix", ["custom__", "CUSTOM__", "Custom__"])
def test_a_custom_column_becomes_a_member_of_custom(prefix):
    assert sent("custom", None) is None
    made = item({**TASK, f"{prefix}Days in Phase": 3, "custom": {"HScore": 1}})
    assert made.body["custom"] == {"HScore": 1, "Days in Phase": 3}


def test_custom_may_be_json_text():
    assert sent("custom", '{"a": [1, null, {"b": "c"}]}') == {"a": [1, None, {"b": "c"}]}


def test_a_column_of_its_own_wins_over_the_same_name_in_custom():
    record = {**TASK, "custom": {"Score": 1, "Other": 2}, "custom__Score": 5}
    assert item(record).body["custom"] == {"Score": 5, "Other": 2}
    record["custom__Score"] = None
    assert item(record).body["custom"] == {"Score": 1, "Other": 2}


def test_the_order_of_columns_leaves_no_trace_in_what_is_sent():
    one = item({"custom__b": 1, "action": "A", "custom__a": 2, **TASK})
    other = item({**TASK, "custom__a": 2, "custom__b": 1, "action": "A"})
    assert orjson.dumps(one.body) == orjson.dumps(other.body)


def test_two_columns_that_meet_in_custom_are_refused():
    assert "`custom.X`" in reason({**TASK, "custom__X": 1, "CUSTOM__X": 1})
    assert "`custom.X`" in reason({**TASK, "custom__X": 1, "X": 1}, unknown_properties="custom")


def test_an_empty_custom_is_not_sent():
    for nothing in ({}, "{}", "", "null", None, {"a": None}):
        assert "custom" not in item({**TASK, "custom": nothing}).body


@pytest.mark.parametrize("value", ["[1]", [1], "a: 1", "{'a': 1}", 7, '{"a": NaN}'])
def test_a_custom_that_is_no_object_is_refused(value):
    assert "`custom` must be an object" in reason({**TASK, "custom": value})


# Values


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
def test_whatever_reads_as_text_becomes_text(value, text):
    assert sent("action", value) == text


@pytest.mark.parametrize(
    "value",
    [{"a": 1}, [1], float("nan"), float("-inf"), Decimal("sNaN"), b"\xff", {1}, object()],
)
def test_what_does_not_read_as_text_is_refused(value):
    assert "`action` must be text, but is " in reason({**TASK, "action": value})


def test_a_number_with_more_digits_than_python_writes_is_refused():
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
def test_dates_are_sent_as_iso_8601_in_utc_with_milliseconds(value, expected):
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
def test_a_date_that_cannot_be_read_in_one_way_only_is_refused(value):
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
def test_booleans_are_read_from_words_and_digits(value, expected):
    assert sent("isArchived", value) is expected


@pytest.mark.parametrize("value", ["maybe", 2, -1, 0.5, [], float("nan"), Decimal("sNaN")])
def test_what_is_neither_true_nor_false_is_refused(value):
    assert "`isArchived` must be true or false" in reason({**TASK, "isArchived": value})


@pytest.mark.parametrize("value", [7, "7", " 7 ", "+7", 7.0, "7.0", "7.", Decimal("7.00")])
def test_whole_numbers_are_read_from_text_and_floats(value):
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
def test_what_is_no_whole_number_is_refused(value):
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
def test_lists_are_taken_as_they_are_or_from_json_text(value, expected):
    assert sent("activityTags", value) == expected


@pytest.mark.parametrize("value", ["a,b", "{a,b}", "['a']", "[1", '{"a": 1}', {"a": 1}, 1, "a"])
def test_what_is_no_list_is_refused(value):
    assert "`activityTags` must be a list" in reason({**TASK, "activityTags": value})


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), Decimal("Infinity"), Decimal("sNaN"), 2**64, {1}, b"\xff", {1: 1}],
)
def test_what_json_cannot_carry_is_refused_at_any_depth(value):
    for name, holder in (
        ("custom", {"a": [{"b": value}]}),
        ("custom__a", value),
        ("checklist", [value]),
    ):
        why = reason({**TASK, name: holder})
        assert "must hold nothing but text, finite numbers" in why
        assert name in why


def test_nesting_without_end_is_refused():
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
def test_half_a_character_is_refused_in_words_that_can_be_written(record):
    why = reason({**TASK, **record})
    assert "surrogate" in why
    why.encode()


def test_the_record_is_left_as_it_was():
    record = {**TASK, "custom": {"a": None, "b": [1]}, "checklist": [{"title": "A"}]}
    before = json.dumps(record)
    made = item(record)
    made.body["custom"]["b"].append(2)
    made.body["checklist"][0]["title"] = "B"
    assert json.dumps(record) == before


@pytest.fixture
def in_tokyo(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("in_tokyo")
def test_a_zone_that_knows_no_offset_is_utc_wherever_the_target_runs():
    class Unknown(tzinfo):
        def utcoffset(self, _when):
            return None

    assert sent("startTime", "2021-07-29 00:00:00") == "2021-07-29T00:00:00.000Z"
    assert sent("startTime", datetime(2021, 7, 29, tzinfo=Unknown())) == "2021-07-29T00:00:00.000Z"


def test_a_refusal_quotes_the_column_and_a_shortened_value():
    why = reason({**TASK, "start_time": "x" * 500})
    assert "`startTime` (column 'start_time')" in why
    assert len(why) < 250


# Nulls and blanks


def test_nulls_are_left_out_unless_they_are_to_be_sent():
    record = {**TASK, "action": None, "startTime": None, "custom__a": None, "checklist": ""}
    assert item(record).body == item(TASK).body
    assert item(record, null_values="send").body == {
        **TASK,
        "action": None,
        "startTime": None,
        "checklist": None,
        "custom": {"a": None},
    }


def test_null_is_never_sent_for_keys_required_properties_and_the_whole_of_custom():
    nothing = {"_id": None, "sourceId": None, "companyId": None, "name": None, "custom": None}
    made = item({"externalId": "1", **nothing, "companyId": COMPANY}, CAMPAIGNS, null_values="send")
    assert made.body == {"externalId": "1", "companyId": COMPANY}
    assert item({"_id": ID, "cId": None}, NPS, null_values="send").body == {"_id": ID}
    assert item({"_id": ID, "companyId": None, "mainType": None}, null_values="send").body == {
        "_id": ID
    }


@pytest.mark.parametrize("blank", ["", "  ", "\t", None])
def test_blanks_are_never_sent_as_a_key_or_company_or_required_text(blank):
    record = {"_id": ID, "sourceId": blank, "externalId": blank, "companyId": blank, "name": blank}
    for nulls in ("skip", "send"):
        assert item(record, CAMPAIGNS, null_values=nulls).body == {"_id": ID}
    assert item({"sourceId": "1", "_id": blank}).keys == {"sourceId": "1"}


@pytest.mark.parametrize("name", ["startTime", "ownerId", "repeatDays", "isArchived", "checklist"])
def test_a_blank_where_no_text_is_expected_is_null(name):
    assert name not in item({**TASK, name: " "}).body
    assert item({**TASK, name: " "}, null_values="send").body[name] is None


# Formats of keys and references


@pytest.mark.parametrize("value", ["1234", ID[:-1], ID + "0", "g" * 24, 12, True, "srcid-1", [ID]])
def test_an_id_that_is_not_planhats_is_refused(value):
    assert "`_id` must be a Planhat id of 24 hexadecimal digits" in reason({"_id": value})
    assert "`ownerId` must be a Planhat id" in reason({**TASK, "ownerId": value})


def test_ids_are_sent_in_the_case_in_which_planhat_answers():
    assert item({"_id": f" {ID.upper()} "}).keys == {"_id": ID}


@pytest.mark.parametrize("resource", RESOURCES.values(), ids=lambda resource: resource.name)
@pytest.mark.parametrize("value", [COMPANY, "extid-4711", "srcid-0015g", "extid-a b"])
def test_a_company_may_be_named_by_its_own_ids(resource, value):
    made = item({"_id": ID, resource.company_property: value}, resource)
    assert made.body[resource.company_property] == value
    assert made.company == value


@pytest.mark.parametrize("value", ["4711", 4711, "extid-", "srcid- ", "extid4711", "sourceid-1"])
def test_a_company_that_cannot_be_found_is_refused(value):
    assert "behind extid- or srcid-" in reason({"sourceId": "1", "companyId": value})


@pytest.mark.parametrize(
    ("value", "key"), [(1234, "1234"), (12.0, "12"), (Decimal(7), "7"), (" a ", " a "), ("A", "A")]
)
def test_keys_are_sent_as_text_and_otherwise_as_they_are(value, key):
    assert item({**TASK, "sourceId": value}).keys == {"sourceId": key}


@pytest.mark.parametrize("value", [True, 1e22, 2.0**53, [1], float("nan")])
def test_a_key_that_several_records_could_share_by_accident_is_refused(value):
    assert "`sourceId` must be text" in reason({**TASK, "sourceId": value})


# Keys


def test_keys_stand_in_the_order_in_which_planhat_tries_them():
    record = {"sourceId": "s", "externalId": "e", "companyId": COMPANY, "_id": ID}
    assert list(item(record, CAMPAIGNS).keys) == ["_id", "sourceId", "externalId"]
    assert list(item(record, CONVERSATIONS).keys) == ["_id", "externalId", "sourceId"]


def test_an_external_id_is_the_same_only_within_its_company():
    record = {"_id": ID, "sourceId": "s", "externalId": "e"}
    made = item({**record, "companyId": COMPANY}, CAMPAIGNS)
    assert made.identities == (("_id", ID), ("sourceId", "s"), ("externalId", "e", COMPANY))
    assert item(record, CAMPAIGNS).identities == (("_id", ID), ("sourceId", "s"))


def test_an_external_id_that_would_be_searched_in_all_companies_is_refused():
    assert "add `companyId`" in reason({"externalId": "e"}, CAMPAIGNS)
    assert "add `companyId`" in reason({"externalId": "e", "sourceId": "s"}, CONVERSATIONS)
    assert item({"externalId": "e", "sourceId": "s"}, CAMPAIGNS).keys["externalId"] == "e"


def test_a_key_that_may_not_be_matched_on_is_not_sent_nor_checked():
    record = {"_id": "of another system", "sourceId": "s", "companyId": COMPANY}
    made = item(record, match_on=("sourceId", "externalId"))
    assert made.keys == {"sourceId": "s"}
    assert made.body == {"companyId": COMPANY, "sourceId": "s"}


def test_a_record_without_a_key_gets_one_from_its_key_properties():
    made = item({"id": 12, "companyId": COMPANY}, stream="public-tasks")
    assert made.keys == {"sourceId": "public-tasks:12"}
    assert made.body == {"companyId": COMPANY, "sourceId": "public-tasks:12"}
    assert made.generated
    assert not item(TASK).generated


def test_a_conversation_gets_an_external_id():
    made = item({"id": 12, "companyId": COMPANY}, CONVERSATIONS)
    assert made.identities == (("externalId", "conversations:12", COMPANY),)


@pytest.mark.parametrize("value", [12, "12", 12.0, Decimal("12.0")])
def test_a_generated_key_is_the_same_whatever_type_the_value_comes_in(value):
    assert item({"id": value, "companyId": COMPANY}).keys == {"sourceId": "tasks:12"}


def test_generated_keys_of_two_records_never_meet():
    texts = ["", "a", "b", ":", "a:b", "a:", ":b", "%", "%3A", "a%3Ab"]
    keys = [
        item({"x": one, "y": other, "companyId": COMPANY}, keys=("x", "y")).keys["sourceId"]
        for one in texts
        for other in texts
        if one or other
    ]
    assert len(set(keys)) == len(keys)


def test_a_part_of_a_generated_key_may_be_blank_but_not_all_of_it():
    record = {"x": "", "y": 1, "companyId": COMPANY}
    assert item(record, keys=("x", "y")).keys == {"sourceId": "tasks::1"}
    assert "'x' and 'y' is empty" in reason({**record, "y": ""}, keys=("x", "y"))


@pytest.mark.parametrize("value", [None, "", " "])
def test_no_key_is_made_from_nothing(value):
    assert "'id' is empty" in reason({"id": value, "companyId": COMPANY})


@pytest.mark.parametrize("value", [[1], {"a": 1}, float("nan"), 1e22])
def test_no_key_is_made_from_what_does_not_tell_records_apart(value):
    assert "`id` must be text or an exact whole number" in reason(
        {"id": value, "companyId": COMPANY}
    )


def test_without_key_properties_a_record_without_a_key_is_refused_unless_keys_are_off():
    assert "key properties" in reason({"companyId": COMPANY}, keys=())
    assert "'id' is empty" in reason({"companyId": COMPANY}, keys=("id",))
    made = item({"companyId": COMPANY}, keys=(), generate_key=False)
    assert made.keys == {}
    assert made.identities == ()


def test_a_generated_key_keeps_to_match_on():
    record = {"id": 1, "companyId": COMPANY, "name": "Spring"}
    assert item(record, CAMPAIGNS, match_on=("_id", "externalId")).keys == {
        "externalId": "campaigns:1"
    }
    assert "add sourceId to match_on" in reason(record, CAMPAIGNS, match_on=("_id",))
    assert item(record, CAMPAIGNS, match_on=("_id",), generate_key=False).keys == {}


def test_records_of_another_tenant_get_keys_from_ids_that_are_not_sent():
    record = {"_id": ID, "companyId": "extid-1"}
    made = item(record, keys=("_id",), match_on=("sourceId", "externalId"))
    assert made.body == {"companyId": "extid-1", "sourceId": f"tasks:{ID}"}


# Required properties, ranges, reserved types


@pytest.mark.parametrize("resource", RESOURCES.values(), ids=lambda resource: resource.name)
def test_a_record_that_must_be_new_needs_what_planhat_requires(resource):
    full = {"id": 1, "name": "N", "email": "a@b.c", "score": 7, resource.company_property: COMPANY}
    for options in ({}, {"generate_key": False}):
        assert item(full, resource, **options)
        for name in resource.required_to_create:
            for blank in ({}, {name: None}, {name: ""}):
                record = {key: value for key, value in full.items() if key != name} | blank
                assert f"`{name}` is missing" in reason(record, resource, **options)


@pytest.mark.parametrize("resource", RESOURCES.values(), ids=lambda resource: resource.name)
def test_a_record_that_may_be_an_update_needs_no_more_than_its_key(resource):
    for name in ("_id", "sourceId"):
        assert item({name: ID}, resource).body == {name: ID}


@pytest.mark.parametrize("score", [0, 10, "7", 7.0])
def test_a_score_is_a_whole_number_from_0_to_10(score):
    assert item({"sourceId": "1", "score": score}, NPS).body["score"] == int(score)


@pytest.mark.parametrize("score", [11, -1, "11", 7.5, "good", True, 10**30])
def test_any_other_score_is_refused(score):
    why = reason({"sourceId": "1", "score": score}, NPS)
    assert "`score` must be a whole number from 0 to 10, but is" in why


@pytest.mark.parametrize("kind", ["email", "Chat", "TICKET", " call "])
def test_a_reserved_type_is_never_sent(kind):
    record = {"externalId": "e", "companyId": COMPANY, "type": kind}
    assert "is reserved" in reason(record, CONVERSATIONS)
    assert "is reserved" in reason({**record, "_id": ID}, CONVERSATIONS, match_on=("externalId",))
    made = item({**record, "_id": ID}, CONVERSATIONS)
    assert "type" not in made.body
    assert item({"_id": ID, "type": "note"}, CONVERSATIONS).body["type"] == "note"
    assert sent("type", kind) == kind


# The shape of Planhat's own NPS list


LISTED = {
    "_id": OTHER_ID,
    "npsId": ID,
    "email": "jane@test.com",
    "npsDate": "2020-08-06T00:00:00.000Z",
    "nps": 8,
    "npsComment": "Good one",
    "npsSent": "2020-08-01",
    "scoreType": "passive",
    "cId": COMPANY,
    "sourceId": "",
}


def test_a_row_of_the_nps_list_is_brought_into_the_tables_shape():
    expected = {
        "_id": ID,
        "cId": COMPANY,
        "email": "jane@test.com",
        "score": 8,
        "comment": "Good one",
        "dateAnswered": "2020-08-06T00:00:00.000Z",
    }
    for unknown in ("drop", "custom", "reject"):
        assert item(LISTED, NPS, unknown_properties=unknown).body == expected
    folded = {name.upper(): value for name, value in LISTED.items()}
    assert item(folded, NPS).body == expected


def test_the_contacts_id_is_never_written_as_the_answers():
    record = {name: value for name, value in LISTED.items() if name != "npsId"}
    assert "_id" not in item({**record, "sourceId": "s"}, NPS).body
    assert "_id" not in item({**LISTED, "npsId": None, "sourceId": "s"}, NPS).body
    for name in ("npsId", "nps", "npsComment", "npsDate", "npsSent"):
        assert "_id" not in item({"_id": OTHER_ID, name: None, "sourceId": "s"}, NPS).body


def test_the_shape_that_the_schema_announces_counts_where_a_record_leaves_columns_out():
    record = {"_id": OTHER_ID, "sourceId": "s"}
    assert item(record, NPS).keys == {"_id": OTHER_ID, "sourceId": "s"}
    assert item(record, NPS, columns=tuple(LISTED)).keys == {"sourceId": "s"}


def test_two_answers_of_one_contact_never_get_the_same_key():
    for npsid in (ID, COMPANY):
        made = item({**LISTED, "npsId": npsid}, NPS, keys=("_id",), match_on=("sourceId",))
        assert made.keys == {"sourceId": f"nps:{npsid}"}
    without = {name: value for name, value in LISTED.items() if name != "npsId"}
    assert "is empty" in reason(without, NPS, keys=("_id",))


def test_both_shapes_in_one_row_are_refused_where_they_meet():
    assert "both `score`" in reason({**LISTED, "score": 3}, NPS)


# Rows as Planhat answers them


@pytest.mark.parametrize("resource", RESOURCES.values(), ids=lambda resource: resource.name)
def test_the_pages_own_rows_go_through_with_their_ids(resource):
    sample = json.loads((SAMPLES / f"{resource.name}.json").read_text())
    plan = RecordConverter(resource, resource.name, ["_id"], Options())
    rows = [*sample["list"]["response"], *(sample[name]["response"] for name in ("get", "create"))]
    for row in rows:
        made = plan.convert(row)
        assert isinstance(made, Item), made
        assert made.keys["_id"] == row.get("npsId", row["_id"])


@pytest.mark.parametrize("resource", RESOURCES.values(), ids=lambda resource: resource.name)
def test_the_pages_own_upserts_go_through_unchanged_but_for_numbers_as_text(resource):
    sample = json.loads((SAMPLES / f"{resource.name}.json").read_text())
    for body in sample["bulk_upsert"]["request"]:
        expected = {**body, "externalId": str(body["externalId"])} if "externalId" in body else body
        assert item(body, resource, keys=(), generate_key=False).body == expected


# Settings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("match_on", ("source_id",)),
        ("match_on", ()),
        ("unknown_properties", "keep"),
        ("null_values", "clear"),
    ],
)
def test_a_setting_with_an_impossible_value_is_named(name, value):
    with pytest.raises(ValueError, match=name):
        Options(**{name: value})


# Whatever comes


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
odd_values = (
    st.decimals()
    | st.binary(max_size=5)
    | st.datetimes(timezones=st.none() | st.timezones())
    | st.dates()
    | st.times()
    | st.uuids()
    | st.complex_numbers()
    | st.text(st.characters(categories=["Cs", "Lu"]), max_size=3)
    | st.sampled_from(
        [10**400, -(10**30), Decimal("sNaN"), Decimal("1E+999999999"), {1}, object(), "", " ", int]
    )
    | st.sampled_from([ID, COMPANY, "extid-1", "email", "note", "2021-07-29", "[]", "{}", "7", 7])
)
anything = st.recursive(
    json_values | odd_values,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner)
        | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=3)
    ),
    max_leaves=5,
)
known_columns = st.sampled_from(
    sorted(
        {
            spelt
            for resource in RESOURCES.values()
            for name in (*resource.properties, *resource.list_names)
            for spelt in (name, name.lower(), f"{name[:3]}_{name[3:]}".upper())
        }
        | {"id", "custom__a", "CUSTOM__a", "_sdc_deleted_at", "\ud800", ""}
    )
)
columns = known_columns | st.text(max_size=6) | st.integers() | st.none()
records = st.dictionaries(columns, anything, max_size=8)
plans = st.builds(
    RecordConverter,
    st.sampled_from(list(RESOURCES.values())),
    st.sampled_from(["tasks", "public-tasks"]),
    st.lists(st.sampled_from(["id", "_id", "sourceId", ""]), max_size=2),
    st.builds(
        Options,
        match_on=st.none() | st.just(("sourceId", "externalId")),
        generate_key=st.booleans(),
        unknown_properties=st.sampled_from(["drop", "custom", "reject"]),
        null_values=st.sampled_from(["skip", "send"]),
    ),
)
# One good key and company make an item likely, so that the rest of the record is looked at.
likely = st.builds(
    lambda good, rest: {**rest, **good},
    st.fixed_dictionaries({}, optional={"sourceId": st.just("s"), "companyId": st.just(COMPANY)}),
    st.dictionaries(known_columns, anything, max_size=2),
)


def written(result):
    """The result as it would go out, in bytes."""
    if isinstance(result, Refusal):
        return result.reason.encode()
    return orjson.dumps([result.body, result.keys, result.company, result.generated])


@settings(max_examples=400, deadline=None)
@given(plans, records | likely)
def test_any_record_becomes_an_item_that_can_be_written_or_a_reason(plan, record):
    result = plan.convert(record)
    assert written(result)
    if isinstance(result, Item):
        resource = plan.resource
        assert all(resource.properties[name].writable for name in result.body)
        assert result.keys == {
            name: result.body[name] for name in resource.keyables if name in result.body
        }
        assert all(key and not key.isspace() for key in result.keys.values())
        assert all(type(key) is str for key in result.keys.values())
        assert orjson.loads(orjson.dumps(result.body)) == result.body
        assert result.body.get("type") not in resource.reserved_types


@settings(max_examples=150, deadline=None)
@given(plans, records | likely, st.randoms())
def test_the_same_record_gives_the_same_item_whatever_the_order_of_its_columns(
    plan, record, random
):
    first = plan.convert(record)
    names = list(record)
    random.shuffle(names)
    shuffled = MappingProxyType({name: record[name] for name in names})
    second = plan.convert(record)
    assert written(first) == written(second)
    third = plan.convert(shuffled)
    assert isinstance(third, type(first))
    if isinstance(first, Item):
        assert written(third) == written(first)


def test_sparse_records_do_not_fill_the_memory():
    plan = RecordConverter(TASKS, "tasks", ["id"], Options())
    for number in range(5000):
        assert isinstance(plan.convert({**TASK, f"column{number}": 1}), Item)
    assert len(plan._layouts) <= 1024
