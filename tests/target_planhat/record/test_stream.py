from __future__ import annotations

import json

import pytest

from planhat_api.resources import CAMPAIGNS, CONVERSATIONS, NPS, TASKS
from target_planhat.config import RecordSettings
from target_planhat.item import Deletion, Item
from target_planhat.lines import decoded
from target_planhat.outcome import OutcomeKind
from target_planhat.record.notices import Notices
from target_planhat.record.schemas import SchemaError
from target_planhat.record.stream import IncomingStream, Tally, resource_for
from target_planhat.source import Source

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
def make_stream():
    """Makes a stream for tasks, and hands its records in as they are."""

    notices = Notices()

    def make(resource=TASKS, schema=SCHEMA, **settings):
        stream = IncomingStream(
            Tally("todo"),
            Source("todo", b""),
            resource,
            schema=schema,
            key_properties=["id"],
            record_map=None,
            settings=RecordSettings.of(settings),
            notices=notices,
        )
        stream.take = lambda record: stream.prepare(record, b"")
        return stream

    return make


def record(**more):
    return {"id": 1, "companyId": COMPANY, **more}


def test_a_record_becomes_an_item(make_stream):
    item = make_stream().take(record())
    assert isinstance(item, Item)
    assert item.body == {"companyId": COMPANY, "sourceId": "todo:1"}


def test_a_record_that_does_not_fit_the_schema_is_rejected_without_showing_its_value(make_stream):
    rejection = make_stream().take(record(id="secret"))
    assert rejection.kind is OutcomeKind.REJECTED
    assert "id" in rejection.reason
    assert "secret" not in rejection.reason


def test_dates_are_not_for_the_schema_to_judge(make_stream):
    assert isinstance(make_stream().take(record(startTime="2024-01-01 10:00:00")), Item)


def test_validation_may_be_off(make_stream):
    assert isinstance(make_stream(validate_records=False).take(record(id="1")), Item)


def test_a_value_that_is_not_json_is_judged_by_its_propertys_rules(make_stream):
    rejection = make_stream().take(record(startTime={1}))
    assert "`startTime` must be a date" in rejection.reason


def test_a_missing_key_property_is_rejected(make_stream):
    rejection = make_stream().take({"companyId": COMPANY})
    assert "key property id" in rejection.reason


def test_a_schema_that_is_not_one_is_an_error(make_stream):
    with pytest.raises(SchemaError, match=r'^properties\.id\.type cannot be "whole"$'):
        make_stream(schema={"properties": {"id": {"type": "whole"}}})


def test_a_schema_of_an_old_tap_is_taken(make_stream):
    percent = {"type": ["null", "number"], "maximum": 100, "exclusiveMaximum": True}
    schema = {"properties": {"id": {}, "custom__Percent": percent}}
    stream = make_stream(schema=schema)
    assert isinstance(stream.take(record(custom__Percent=99.5)), Item)
    assert "custom__Percent" in stream.take(record(custom__Percent=100)).reason


@pytest.mark.parametrize("number", [10**20 + 1, 2**64 + 1, -(2**63) - 1, 2**63, 7])
@pytest.mark.parametrize("column", ["id", "sourceId", "action"])
def test_an_integer_keeps_its_digits_wherever_it_counts_as_text(make_stream, number, column):
    row = record(**{column: number})
    line = json.dumps({"record": row}).encode()
    made = make_stream().prepare(decoded(line)["record"], line)
    wanted = f"todo:{number}" if column == "id" else row.get("sourceId", "todo:1")
    assert made.keys == {"sourceId": str(wanted)}
    assert made.body.get("action", str(number)) == str(number)


def test_without_a_resource_records_are_skipped(make_stream):
    assert (make_stream(resource=None).take(record(id="no number"))).kind is OutcomeKind.SKIPPED


@pytest.mark.parametrize("column", ["_sdc_deleted_at", "_SDC_DELETED_AT"])
def test_a_record_gone_at_the_source_is_skipped_or_deleted_by_key(make_stream, column):
    gone = {"id": 7, column: "2024-01-01T00:00:00Z"}
    stream = make_stream()
    assert (stream.take(gone)).kind is OutcomeKind.SKIPPED
    assert stream.tally.gone == 1
    # Of a deleted row often only the key is left: neither schema nor required properties count.
    deletion = make_stream(hard_delete=True).take(gone | {"startTime": None})
    assert deletion == Deletion({"sourceId": "todo:7"}, None)


def test_a_record_gone_at_the_source_is_found_by_a_generated_key_whatever_its_company(make_stream):
    gone = record(_sdc_deleted_at="2024-01-01", companyId="extid-C-1")
    made = make_stream(resource=CONVERSATIONS, hard_delete=True)
    assert made.take(gone) == Deletion({"externalId": "todo:1"}, None)
    assert made.take({**gone, "externalId": "e"}) == Deletion({"externalId": "e"}, "extid-C-1")


def test_a_record_that_is_not_gone_is_written(make_stream):
    assert isinstance(make_stream(hard_delete=True).take(record(_sdc_deleted_at=None)), Item)


ANSWER = {"id": 1, "email": "a@b.c", "score": 7}


def test_answers_that_planhat_would_date_today_are_told_of_once(make_stream, caplog):
    dated = {**ANSWER, "dateAnswered": "2024-01-01"}
    make_stream(resource=NPS).take(dated)
    assert caplog.messages == []
    for _ in range(2):
        stream = make_stream(resource=NPS)
        assert isinstance(stream.take(ANSWER), Item)
        assert isinstance(stream.take(ANSWER), Item)
    (told,) = caplog.messages
    assert told.startswith("todo: records come without dateAnswered; where such a record is new")


def test_columns_that_nobody_can_write_are_told_of_once(make_stream, caplog):
    caplog.set_level("INFO")
    columns = ("id", "updatedAt", "company_name", "colour")
    schema = {"properties": {name: {} for name in columns}}
    for _ in range(2):
        make_stream(schema=schema)
    assert caplog.messages == [
        "todo: updatedAt, company_name: not sent, as Planhat fills in these properties itself"
    ]


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
