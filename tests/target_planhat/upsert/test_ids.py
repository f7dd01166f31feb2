from __future__ import annotations

import logging

import pytest

from planhat_api import errors
from planhat_api.resources import NPS, TASKS
from target_planhat.item import Deletion
from target_planhat.outcome import OutcomeKind
from target_planhat.upsert.api import ResourceApi
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
    batch = [*numbered(100), {"sourceId": "a"}, {"sourceId": "b"}]
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


def test_nothing_is_looked_up_where_there_is_no_id(upsert):
    server, _ = upsert([{"sourceId": "a"}, {"n": 1}, {"sourceId": "b", "externalId": "e"}])
    assert server.reads == []


ID, OTHER = "f" * 24, "e" * 24


def test_an_id_that_planhat_does_not_know_is_never_sent_beside_another_key(upsert):
    batch = [{"_id": ID, "sourceId": "a"}, {"_id": OTHER.upper(), "sourceId": "b"}]
    server, results = upsert(batch, batch, known=[OTHER], listed=OTHER)
    assert [one.get("_id") for items in server.requests for one in items] == [
        None,
        OTHER.upper(),
        None,
        OTHER.upper(),
    ]
    assert not any(OutcomeKind.REJECTED in kinds(result) for result in results)
    assert len(server.records) == 2
    # Each is looked up once, and that a listed one is found is seen once.
    assert sorted(server.reads) == [OTHER, OTHER, ID]


@pytest.mark.parametrize(
    "fault",
    [
        {"read_error": errors.PermissionDeniedError("GET /tasks", "403")},
        {"list_error": errors.NotFoundError("GET /tasks", "404")},
        {"listed": "d" * 24},
    ],
)
def test_where_that_cannot_be_looked_up_it_is_rejected_and_the_others_are_written(upsert, fault):
    server, [result] = upsert([{"_id": ID, "sourceId": "a"}, {"sourceId": "b"}], **fault)
    assert [one.kind for one in result.outcomes] == [OutcomeKind.REJECTED, OutcomeKind.CREATED]
    assert "leave `_id` out by match_on".lower() in result.outcomes[0].reason.lower()
    assert [row["sourceId"] for row in server.records.values()] == ["b"]


def test_an_external_id_is_not_sent_alone_without_its_company(upsert):
    batch = [
        {"_id": ID, "externalId": "e"},
        {"_id": OTHER, "externalId": "e", "companyId": "c"},
    ]
    _, [result] = upsert(batch)
    assert [one.kind for one in result.outcomes] == [OutcomeKind.REJECTED, OutcomeKind.CREATED]
    assert "add `companyId`" in result.outcomes[0].reason


def test_an_id_that_the_run_has_deleted_is_not_known_any_more(make_server, make_item):
    server = make_server()
    upserter = server.upserter()
    upserter.upsert([make_item(sourceId="a")])
    [record_id] = server.records
    batch = [make_item(_id=record_id, sourceId="b")]
    assert kinds(upserter.upsert(batch)) == {OutcomeKind.UPDATED}
    server.records.clear()
    upserter.forget(Deletion({"_id": record_id}, None))
    upserter.upsert(batch)
    assert "_id" not in server.requests[-1][0]


def test_a_record_that_cannot_be_read_is_looked_up_in_the_list_of_all(upsert, monkeypatch):
    class Rows:
        has = frozenset({OTHER}).__contains__
        young = "f" * 24

    monkeypatch.setattr(ResourceApi, "all_records", lambda _: Rows())
    batch = [{"_id": ID[:-1] + "0", "sourceId": "a"}, {"_id": OTHER, "sourceId": "b"}]
    server, [result] = upsert(batch, read_error=errors.ServerFaultError("GET /tasks", "500"))
    assert OutcomeKind.REJECTED not in kinds(result)
    assert [one.get("_id") for one in server.requests[0]] == [None, OTHER]


def test_many_are_looked_up_in_the_list_of_all(make_server, make_item, monkeypatch):
    server = make_server()
    upserter = server.upserter()
    known = {f"{number:024x}" for number in range(0, 300, 2)}
    calls = []

    class Rows:
        has = known.__contains__
        young = "f0000000"

    def all_records(api):
        calls.append(api)
        return Rows()

    monkeypatch.setattr(ResourceApi, "all_records", all_records)
    fresh = "f" * 24
    server.rows = {fresh: {"_id": fresh}}
    ids = [*(f"{number:024x}" for number in range(300)), fresh, "f" * 23 + "0"]
    for _ in range(2):
        upserter.upsert([make_item(_id=one, sourceId=f"s{one}") for one in ids])
        assert {one["_id"] for one in server.requests[-1] if "_id" in one} == {*known, fresh}
    assert len(calls) == 1
    assert server.reads == [fresh, "f" * 23 + "0"]


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
