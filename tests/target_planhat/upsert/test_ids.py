from __future__ import annotations

import logging

import pytest

from planhat_api import errors
from planhat_api.resources import NPS, TASKS
from target_planhat.outcome import OutcomeKind
from target_planhat.upsert.ids import LOOKUPS, KnownIds
from target_planhat.upsert.upserter import Upserter


class Records:
    """Knows some `_id`s, or fails; notes what it is asked for."""

    def __init__(self, known=(), error=None, some=None, list_error=None):
        self.known = set(known)
        self.some = some
        self.list_error = list_error
        self.error = error
        self.asked = []

    def listed(self):
        if self.list_error:
            raise self.list_error
        return self.some

    def __call__(self, record_id):
        self.asked.append(record_id)
        if self.error:
            raise self.error
        return record_id in self.known


@pytest.fixture
def settle(make_server, make_item):
    """Settle batches in one run; return the server and the fates of each batch."""

    def run(records, *batches, resource=TASKS):
        server = make_server()
        upserter = Upserter(server, ids=KnownIds(resource, records, records.listed))
        settled = [upserter.settle([make_item(**body) for body in batch]) for batch in batches]
        return server, settled

    return run


def numbered(count):
    return [{"_id": f"{number:024x}", "n": number} for number in range(count)]


def fates(settled):
    return {outcome.kind if outcome else None for outcome in settled.outcomes}


def test_records_whose_only_key_is_an_id_unknown_to_planhat_are_rejected_and_not_written(settle):
    records = Records()
    batch = [*numbered(100), {"sourceId": "a"}, {"_id": "f" * 24, "sourceId": "b"}]
    server, [first, second] = settle(records, batch, numbered(10))
    assert [outcome.kind for outcome in first.outcomes[-2:]] == [OutcomeKind.CREATED] * 2
    assert {outcome.kind for outcome in first.outcomes[:-2]} == {OutcomeKind.REJECTED}
    assert fates(second) == {OutcomeKind.REJECTED}
    assert first.outcomes[0].reason.endswith(
        "leave `_id` out by match_on, or send a sourceId as well."
    )
    assert len(server.records) == 2
    assert records.asked == [f"{number:024x}" for number in (0, 50, 99)]


def test_that_a_listed_record_is_found_shows_that_looking_up_means_something(settle):
    some = "e" * 24
    _, [settled] = settle(Records({some}, some=some), numbered(10))
    assert fates(settled) == {OutcomeKind.REJECTED}


@pytest.mark.parametrize(
    "records",
    [
        Records(some="e" * 24),
        Records(list_error=errors.NotFoundError("GET /tasks", "404 Not Found")),
        Records(list_error=errors.NotJsonError("GET /tasks", "200, but no JSON")),
    ],
)
def test_where_nothing_can_be_looked_up_ids_are_sent_and_that_is_said_once(settle, caplog, records):
    with caplog.at_level(logging.WARNING):
        server, settled = settle(records, numbered(10), numbered(10))
    assert len(server.records) == 10
    assert not any(OutcomeKind.REJECTED in fates(each) for each in settled)
    assert caplog.text.count("it is not checked whether Planhat knows") == 1


@pytest.mark.parametrize("known", [0, 50, 99])
def test_one_that_planhat_knows_tells_for_all_and_nothing_more_is_asked(settle, known):
    records = Records({f"{known:024x}"})
    _, [first, second] = settle(records, numbered(100), numbered(10))
    assert OutcomeKind.REJECTED not in fates(first) | fates(second)
    assert records.asked[-1] == f"{known:024x}"
    assert len(records.asked) <= LOOKUPS


def test_a_first_record_that_was_deleted_does_not_speak_for_the_run(settle):
    records = Records({f"{5:024x}"})
    _, [first, second, third] = settle(records, numbered(1), numbered(10), numbered(1))
    assert fates(first) == {OutcomeKind.REJECTED}
    assert OutcomeKind.REJECTED not in fates(second) | fates(third)
    assert len(records.asked) == LOOKUPS


def test_nothing_is_looked_up_where_there_is_another_key_or_none(settle):
    records = Records()
    settle(records, [{"_id": "f" * 24, "sourceId": "a"}, {"n": 1}, {"_id": "a", "externalId": "e"}])
    assert records.asked == []


@pytest.mark.parametrize(
    "error",
    [
        errors.PermissionDeniedError("GET /tasks", "403"),
        errors.PayloadError("GET /tasks", "400"),
        errors.ServerFaultError("GET /tasks", "500"),
    ],
)
def test_where_it_cannot_be_looked_up_they_are_sent_and_that_is_said_once(settle, caplog, error):
    with caplog.at_level(logging.WARNING):
        _, batches = settle(Records(error=error), numbered(10), numbered(10))
    assert OutcomeKind.REJECTED not in fates(batches[0]) | fates(batches[1])
    [message] = caplog.messages
    assert error.what in message


def test_nps_answers_are_not_looked_up_as_planhat_reads_them_by_their_contacts_id(settle, caplog):
    records = Records()
    with caplog.at_level(logging.WARNING):
        _, [settled] = settle(records, numbered(10), resource=NPS)
    assert fates(settled) == {OutcomeKind.CREATED}
    assert records.asked == []
    assert "nps cannot be read by their own _id" in caplog.text


@pytest.mark.parametrize(
    "error",
    [
        errors.UnreachableError("GET /tasks", "refused"),
        errors.AuthenticationError("GET /tasks", "401"),
    ],
)
def test_a_server_that_is_down_ends_the_run_and_rejects_nothing(settle, error):
    _, [settled] = settle(Records(error=error), numbered(10))
    assert settled.error is error
    assert fates(settled) == {None}
