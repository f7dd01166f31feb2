from __future__ import annotations

import logging

import pytest

from planhat_api import errors
from planhat_api.resources import NPS, TASKS
from target_planhat.outcome import OutcomeKind
from target_planhat.upsert.ids import LOOKUPS


@pytest.fixture
def upsert(make_server, make_item):
    """Upsert batches in one run; return the server and the result of each batch."""

    def run(*batches, known=(), resource=TASKS, **more):
        server = make_server(**more)
        server.rows = {record_id: {"_id": record_id} for record_id in known}
        upserter = server.upserter(resource)
        return server, [upserter.upsert([make_item(**b) for b in batch]) for batch in batches]

    return run


def numbered(count):
    return [{"_id": f"{number:024x}", "n": number} for number in range(count)]


def kinds(result):
    return {outcome.kind if outcome else None for outcome in result.outcomes}


def test_records_whose_only_key_is_an_id_unknown_to_planhat_are_rejected_and_not_written(upsert):
    batch = [*numbered(100), {"sourceId": "a"}, {"_id": "f" * 24, "sourceId": "b"}]
    server, [first, second] = upsert(batch, numbered(10))
    assert [outcome.kind for outcome in first.outcomes[-2:]] == [OutcomeKind.CREATED] * 2
    assert {outcome.kind for outcome in first.outcomes[:-2]} == {OutcomeKind.REJECTED}
    assert kinds(second) == {OutcomeKind.REJECTED}
    assert first.outcomes[0].reason.endswith(
        "leave `_id` out by match_on, or send a sourceId as well."
    )
    assert len(server.records) == 2
    assert server.reads[:LOOKUPS] == [f"{number:024x}" for number in (0, 50, 99)]


def test_that_a_listed_record_is_found_shows_that_looking_up_means_something(upsert):
    _, [result] = upsert(numbered(10), known=["e" * 24], listed="e" * 24)
    assert kinds(result) == {OutcomeKind.REJECTED}


@pytest.mark.parametrize(
    "lists",
    [
        {"listed": "e" * 24},
        {"list_error": errors.NotFoundError("GET /tasks", "404 Not Found")},
        {"list_error": errors.NotJsonError("GET /tasks", "200, but no JSON")},
    ],
)
def test_where_nothing_can_be_looked_up_ids_are_sent_and_that_is_said_once(upsert, caplog, lists):
    with caplog.at_level(logging.WARNING):
        server, result = upsert(numbered(10), numbered(10), **lists)
    assert len(server.records) == 20
    assert not any(OutcomeKind.REJECTED in kinds(each) for each in result)
    assert caplog.text.count("it is not checked whether Planhat knows") == 1


@pytest.mark.parametrize("known", [0, 50, 99])
def test_one_that_planhat_knows_tells_for_all_and_nothing_more_is_asked(upsert, known):
    server, [first, second] = upsert(numbered(100), numbered(10), known=[f"{known:024x}"])
    assert OutcomeKind.REJECTED not in kinds(first) | kinds(second)
    assert server.reads[-1] == f"{known:024x}"
    assert len(server.reads) <= LOOKUPS


def test_a_first_record_that_was_deleted_does_not_speak_for_the_run(upsert):
    known = [f"{5:024x}"]
    server, [first, second, third] = upsert(numbered(1), numbered(10), numbered(1), known=known)
    assert kinds(first) == {OutcomeKind.REJECTED}
    assert OutcomeKind.REJECTED not in kinds(second) | kinds(third)
    assert len(server.reads) == LOOKUPS


def test_nothing_is_looked_up_where_there_is_another_key_or_none(upsert):
    server, _ = upsert(
        [{"_id": "f" * 24, "sourceId": "a"}, {"n": 1}, {"_id": "a", "externalId": "e"}]
    )
    assert server.reads == []


@pytest.mark.parametrize(
    "error",
    [
        errors.PermissionDeniedError("GET /tasks", "403"),
        errors.PayloadError("GET /tasks", "400"),
        errors.ServerFaultError("GET /tasks", "500"),
    ],
)
def test_where_it_cannot_be_looked_up_they_are_sent_and_that_is_said_once(upsert, caplog, error):
    with caplog.at_level(logging.WARNING):
        _, batches = upsert(numbered(10), numbered(10), read_error=error)
    assert OutcomeKind.REJECTED not in kinds(batches[0]) | kinds(batches[1])
    [message] = caplog.messages
    assert error.what in message


def test_nps_answers_are_not_looked_up_as_planhat_reads_them_by_their_contacts_id(upsert, caplog):
    with caplog.at_level(logging.WARNING):
        server, [result] = upsert(numbered(10), resource=NPS)
    assert kinds(result) == {OutcomeKind.CREATED}
    assert server.reads == []
    assert "nps cannot be read by their own _id" in caplog.text


@pytest.mark.parametrize(
    "error",
    [
        errors.UnreachableError("GET /tasks", "refused"),
        errors.AuthenticationError("GET /tasks", "401"),
    ],
)
def test_a_server_that_is_down_ends_the_run_and_rejects_nothing(upsert, error):
    _, [result] = upsert(numbered(10), read_error=error)
    assert result.error is error
    assert kinds(result) == {None}
