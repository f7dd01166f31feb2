from __future__ import annotations

import doctest
import json
from pathlib import Path

import pytest

from planhat_api.resources import CAMPAIGNS, CONVERSATIONS, NPS, RESOURCES
from target_planhat.config import RecordSettings
from target_planhat.item import Item
from target_planhat.record import converter
from target_planhat.record.converter import RecordConverter

SAMPLES = Path(__file__).parents[2] / "fixtures" / "samples"
ID = "6102c9748084189dcbf0df60"
OTHER_ID = "58e231b14246fc73139f29e8"
COMPANY = "61006bc89a3e0b702ed8ea49"
TASK = {"sourceId": "sf-1", "companyId": COMPANY}


def test_the_record_is_left_as_it_was(item):
    record = {**TASK, "custom": {"a": None, "b": [1]}, "checklist": [{"title": "A"}]}
    before = json.dumps(record)
    made = item(record)
    made.body["custom"]["b"].append(2)
    made.body["checklist"][0]["title"] = "B"
    assert json.dumps(record) == before


def test_nulls_are_left_out_unless_they_are_to_be_sent(item):
    record = {**TASK, "action": None, "startTime": None, "custom__a": None, "checklist": ""}
    assert item(record).body == item(TASK).body
    assert item(record, null_values="send").body == {
        **TASK,
        "action": None,
        "startTime": None,
        "checklist": None,
        "custom": {"a": None},
    }


def test_null_is_never_sent_for_keys_required_properties_and_the_whole_of_custom(item):
    nothing = {"_id": None, "sourceId": None, "companyId": None, "name": None, "custom": None}
    made = item({"externalId": "1", **nothing, "companyId": COMPANY}, CAMPAIGNS, null_values="send")
    assert made.body == {"externalId": "1", "companyId": COMPANY}
    assert item({"_id": ID, "cId": None}, NPS, null_values="send").body == {"_id": ID}
    assert item({"_id": ID, "companyId": None, "mainType": None}, null_values="send").body == {
        "_id": ID
    }


@pytest.mark.parametrize("blank", ["", "  ", "\t", None])
def test_blanks_are_never_sent_as_a_key_or_company_or_required_text(item, blank):
    record = {"_id": ID, "sourceId": blank, "externalId": blank, "companyId": blank, "name": blank}
    for nulls in ("skip", "send"):
        assert item(record, CAMPAIGNS, null_values=nulls).body == {"_id": ID}
    assert item({"sourceId": "1", "_id": blank}).keys == {"sourceId": "1"}


@pytest.mark.parametrize("name", ["startTime", "ownerId", "repeatDays", "isArchived", "checklist"])
def test_a_blank_where_no_text_is_expected_is_null(item, name):
    assert name not in item({**TASK, name: " "}).body
    assert item({**TASK, name: " "}, null_values="send").body[name] is None


@pytest.mark.parametrize("resource", RESOURCES.values(), ids=lambda resource: resource.name)
def test_a_record_that_must_be_new_needs_what_planhat_requires(item, reason, resource):
    full = {"id": 1, "name": "N", "email": "a@b.c", "score": 7, resource.company_property: COMPANY}
    for options in ({}, {"generate_key": False}):
        assert item(full, resource, **options)
        for name in resource.required_to_create:
            for blank in ({}, {name: None}, {name: ""}):
                record = {key: value for key, value in full.items() if key != name} | blank
                assert f"`{name}` is missing" in reason(record, resource, **options)


@pytest.mark.parametrize("resource", RESOURCES.values(), ids=lambda resource: resource.name)
def test_a_record_that_may_be_an_update_needs_no_more_than_its_key(item, resource):
    for name in ("_id", "sourceId"):
        assert item({name: ID}, resource).body == {name: ID}


@pytest.mark.parametrize("score", [0, 10, "7", 7.0])
def test_a_score_is_a_whole_number_from_0_to_10(item, score):
    assert item({"sourceId": "1", "score": score}, NPS).body["score"] == int(score)


@pytest.mark.parametrize("score", [11, -1, "11", 7.5, "good", True, 10**30])
def test_any_other_score_is_rejected(reason, score):
    why = reason({"sourceId": "1", "score": score}, NPS)
    assert "`score` must be a whole number from 0 to 10, but is" in why


@pytest.mark.parametrize(
    ("name", "value", "sent"),
    [
        ("mainType", "Event", "event"),
        ("mainType", " task ", "task"),
        ("repeat", "DAILY", "daily"),
        ("repeat", "quarterly", "quarterly"),
    ],
)
def test_a_property_with_listed_values_takes_them_in_any_case(item, name, value, sent):
    assert item({"sourceId": "1", name: value}).body[name] == sent


@pytest.mark.parametrize(
    ("name", "value"), [("mainType", "todo"), ("repeat", "hourly"), ("repeat", 7), ("repeat", True)]
)
def test_a_property_with_listed_values_takes_no_other(reason, name, value):
    assert f"`{name}` must be one of " in reason({"sourceId": "1", name: value})


@pytest.mark.parametrize("blank", [None, "", " "])
def test_a_property_with_listed_values_may_be_blank(item, blank):
    assert item({"sourceId": "1", "repeat": blank, "mainType": blank}).body == {"sourceId": "1"}
    nulled = item({"sourceId": "1", "repeat": blank, "mainType": blank}, null_values="send")
    assert nulled.body == {"sourceId": "1", "repeat": None}


def test_a_custom_repeat_needs_its_days(item, reason):
    custom = {"sourceId": "1", "repeat": "custom"}
    assert reason(custom) == "`repeatDays` is missing: `repeat` custom needs it."
    assert item({**custom, "repeatDays": "14"}).body["repeatDays"] == 14


@pytest.mark.parametrize("kind", ["email", "Chat", "TICKET", " call "])
def test_a_reserved_type_is_sent_where_the_tenant_takes_it(item, reason, kind):
    record = {"externalId": "e", "companyId": COMPANY, "type": kind}
    assert "set reserved_types to send" in reason(record, CONVERSATIONS)
    for more in ({}, {"_id": ID}):
        made = item({**record, **more}, CONVERSATIONS, reserved_types="send")
        assert made.body["type"] == kind


def test_the_address_that_a_ticket_needs_is_sent_where_tickets_are(item):
    record = {"sourceId": "t", "E_MAIL": "ann@north.example", "companyId": COMPANY}
    sent = item(record, CONVERSATIONS, reserved_types="send")
    assert sent.body["email"] == "ann@north.example"
    assert "email" not in item(record, CONVERSATIONS).body
    assert "email" not in item(record, reserved_types="send").body


@pytest.mark.parametrize("kind", ["email", "Chat", "TICKET", " call "])
def test_a_reserved_type_is_never_sent(item, reason, sent, kind):
    record = {"externalId": "e", "companyId": COMPANY, "type": kind}
    assert "is reserved" in reason(record, CONVERSATIONS)
    assert "is reserved" in reason({**record, "_id": ID}, CONVERSATIONS, match_on=("externalId",))
    made = item({**record, "_id": ID}, CONVERSATIONS)
    assert "type" not in made.body
    assert item({"_id": ID, "type": "note"}, CONVERSATIONS).body["type"] == "note"
    assert sent("type", kind) == kind


@pytest.mark.parametrize("resource", RESOURCES.values(), ids=lambda resource: resource.name)
def test_the_pages_own_rows_go_through_with_their_ids(resource):
    sample = json.loads((SAMPLES / f"{resource.name}.json").read_text())
    converter = RecordConverter(resource, resource.name, ["_id"], RecordSettings.of({}))
    rows = [*sample["list"]["response"], *(sample[name]["response"] for name in ("get", "create"))]
    for row in rows:
        made = converter.convert(row)
        assert isinstance(made, Item), made
        assert made.keys["_id"] == row.get("npsId", row["_id"])


@pytest.mark.parametrize("resource", RESOURCES.values(), ids=lambda resource: resource.name)
def test_the_pages_own_upserts_go_through_unchanged_but_for_numbers_as_text(item, resource):
    sample = json.loads((SAMPLES / f"{resource.name}.json").read_text())
    for body in sample["bulk_upsert"]["request"]:
        expected = {**body, "externalId": str(body["externalId"])} if "externalId" in body else body
        assert item(body, resource, keys=(), generate_key=False).body == expected


def test_the_usage_example_is_true():
    result = doctest.testmod(converter)
    assert result.attempted
    assert not result.failed
