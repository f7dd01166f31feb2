from __future__ import annotations

import pytest

from planhat_api.resources import CONVERSATIONS, TASKS
from target_planhat.errors import InputError
from target_planhat.item import Deletion, Item
from target_planhat.record.converter import Options, Refusal
from target_planhat.record.stream import SKIP, IncomingStream, Origin

COMPANY = "5f1b7a9e1a2b3c4d5e6f7a8b"
SCHEMA = {
    "type": "object",
    "properties": {
        "id": {"type": "integer"},
        "companyId": {"type": ["string", "null"]},
        "startTime": {"type": "string", "format": "date-time"},
    },
}


@pytest.fixture
def make_sink():
    def make(resource=TASKS, transform=None, **more):
        settings = {
            "key_stream": "todo",
            "schema": SCHEMA,
            "key_properties": ["id"],
            "options": Options(),
            "validate": True,
            "hard_delete": False,
        } | more
        return IncomingStream("tasks", Origin({}, transform), resource, **settings)

    return make


def record(**more):
    return {"id": 1, "companyId": COMPANY, **more}


def test_a_record_becomes_an_item(make_sink):
    item = make_sink().prepare(record())
    assert isinstance(item, Item)
    assert item.body == {"companyId": COMPANY, "sourceId": "todo:1"}


def test_a_record_that_does_not_fit_the_schema_is_refused_without_showing_its_value(make_sink):
    refusal = make_sink().prepare(record(id="secret"))
    assert isinstance(refusal, Refusal)
    assert "id" in refusal.reason
    assert "secret" not in refusal.reason


def test_dates_are_not_for_the_schema_to_judge(make_sink):
    assert isinstance(make_sink().prepare(record(startTime="2024-01-01 10:00:00")), Item)


def test_validation_may_be_off(make_sink):
    assert isinstance(make_sink(validate=False).prepare(record(id="1")), Item)


def test_a_value_that_is_no_json_is_refused(make_sink):
    refusal = make_sink().prepare(record(startTime={1}))
    assert "not JSON" in refusal.reason


def test_a_missing_key_property_is_refused(make_sink):
    refusal = make_sink().prepare({"companyId": COMPANY})
    assert "key property id" in refusal.reason


def test_a_schema_that_is_none_is_an_error(make_sink):
    with pytest.raises(InputError, match="SCHEMA of stream tasks"):
        make_sink(schema={"properties": {"id": {"type": "whole"}}})


def test_a_schema_of_an_old_tap_is_taken(make_sink):
    percent = {"type": ["null", "number"], "maximum": 100, "exclusiveMaximum": True}
    schema = {"properties": {"id": {}, "custom__Percent": percent}}
    sink = make_sink(schema=schema)
    assert isinstance(sink.prepare(record(custom__Percent=99.5)), Item)
    assert "custom__Percent" in sink.prepare(record(custom__Percent=100)).reason


def test_a_map_that_fails_on_a_record_refuses_that_record(make_sink):
    def fail(_):
        raise TypeError("no such thing")

    reason = make_sink(transform=fail).prepare(record()).reason
    assert reason == "Its stream map fails with TypeError: 'no such thing'"


def test_of_what_a_map_fails_on_no_more_than_60_characters_are_shown(make_sink):
    def fail(_):
        raise ValueError("a mail of many words " * 50) from None

    reason = make_sink(transform=fail).prepare(record()).reason
    assert "a mail of many words a mail" in reason
    assert len(reason) < 110


def test_a_map_is_told_to_fail_with_what_lies_behind_the_error(make_sink):
    def fail(_):
        raise RuntimeError("an expression") from KeyError("account")

    assert "KeyError: \"'account'\"" in make_sink(transform=fail).prepare(record()).reason


def test_a_map_gets_a_copy_and_may_filter(make_sink):
    given = record()
    sink = make_sink(transform=lambda record: record.clear())
    assert sink.prepare(given) is SKIP
    assert given == record()
    assert sink.read == 1


def test_without_a_resource_records_are_skipped(make_sink):
    assert make_sink(resource=None).prepare(record(id="no number")) is SKIP


@pytest.mark.parametrize("column", ["_sdc_deleted_at", "_SDC_DELETED_AT"])
def test_a_record_gone_at_the_source_is_skipped_or_deleted_by_key(make_sink, column):
    gone = {"id": 7, column: "2024-01-01T00:00:00Z"}
    sink = make_sink()
    assert sink.prepare(gone) is SKIP
    assert sink.gone == 1
    # Of a deleted row often only the key is left: neither schema nor required properties count.
    deletion = make_sink(hard_delete=True).prepare(gone | {"startTime": None})
    assert deletion == Deletion({"sourceId": "todo:7"}, None)


def test_a_record_gone_at_the_source_is_found_by_a_generated_key_whatever_its_company(make_sink):
    gone = record(_sdc_deleted_at="2024-01-01", companyId="extid-C-1")
    made = make_sink(resource=CONVERSATIONS, hard_delete=True)
    assert made.prepare(gone) == Deletion({"externalId": "todo:1"}, None)
    assert made.prepare({**gone, "externalId": "e"}) == Deletion({"externalId": "e"}, "extid-C-1")


def test_a_record_that_is_not_gone_is_written(make_sink):
    assert isinstance(make_sink(hard_delete=True).prepare(record(_sdc_deleted_at=None)), Item)


def test_a_deletion_is_seen_before_a_map_drops_the_mark(make_sink):
    sink = make_sink(hard_delete=True, transform=lambda record: {"id": record["id"]})
    assert isinstance(sink.prepare(record(_sdc_deleted_at="2024-01-01")), Deletion)
