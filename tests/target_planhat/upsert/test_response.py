from __future__ import annotations

import pytest

from planhat_api.client import UpsertResponse
from planhat_api.redact import Redactor
from target_planhat.item import Item
from target_planhat.outcome import CREATED, UNCHANGED, UPDATED
from target_planhat.upsert.merge import waves
from target_planhat.upsert.response import BulkResponse


def merged(*bodies):
    items = [
        Item(body, {name: body[name] for name in ("_id", "sourceId", "externalId") if name in body})
        for body in bodies
    ]
    [wave] = waves(items)
    return wave


THREE = merged({"sourceId": "a1"}, {"sourceId": "b2", "n": 2}, {"_id": "c3", "sourceId": "s"})


def test_keys_tell_what_was_created_and_what_was_updated():
    body = {
        "created": 1,
        "updated": 1,
        "nonupdates": 1,
        "insertsKeys": [{"_id": "new", "sourceId": "b2"}],
        "updatesKeys": [{"_id": "c3"}],
    }
    response = BulkResponse.read(UpsertResponse(200, body), THREE)
    assert response.done == {1: CREATED, 2: UPDATED}
    assert response.left == [UNCHANGED]
    assert (response.counted, response.errors) == (3, 0)


def test_where_counts_are_missing_the_lists_are_counted():
    response = BulkResponse.read(UpsertResponse(206, {"insertsKeys": [{"sourceId": "a1"}]}), THREE)
    assert (response.counted, response.counts, response.done) == (1, True, {0: CREATED})


def test_an_answer_of_nothing_counts_nothing():
    response = BulkResponse.read(UpsertResponse(200, {}), THREE)
    assert (response.counts, response.counted, response.nothing_written) == (False, 0, False)


@pytest.mark.parametrize(
    ("body", "silent"),
    [
        ({}, True),
        ({"createdErrors": [], "message": "", "created": None}, True),
        ({"upsertedIds": ["unheard of"]}, True),
        ({"error": "x"}, False),
        ({"errors": ["x"]}, False),
        ({"ok": 0}, False),
        ({"createdErrors": ["x"]}, False),
        ([], False),
        ("x", False),
        (None, False),
    ],
)
def test_an_answer_is_silent_that_tells_of_no_failure_in_any_way(body, silent):
    assert BulkResponse.read(UpsertResponse(200, body), THREE).silent is silent


@pytest.mark.parametrize(
    "error",
    [
        {"message": "bad", "sourceId": "b2"},
        {"error": "bad", "keys": {"sourceId": "b2"}},
        {"error": {"message": "bad", "keys": {"sourceId": "b2"}}},
        {"message": "bad", "item": {"sourceId": "b2", "n": 2}},
    ],
)
def test_an_error_that_carries_keys_or_item_is_blamed_on_it(error):
    response = BulkResponse.read(
        UpsertResponse(206, {"created": 2, "createdErrors": [error]}), THREE
    )
    assert response.failed == {1: "bad"}
    assert response.errors == 1


def test_an_error_that_echoes_an_item_without_key_is_blamed_on_it():
    sent = merged({"n": 1}, {"n": 2})
    response = BulkResponse.read(
        UpsertResponse(206, {"createdErrors": [{"error": "bad", "item": {"n": 2}}]}), sent
    )
    assert response.failed == {1: "bad"}


def test_an_echo_that_fits_two_items_is_blamed_on_none():
    sent = merged({"n": 1}, {"n": 1})
    response = BulkResponse.read(
        UpsertResponse(206, {"createdErrors": [{"error": "bad", "item": {"n": 1}}]}), sent
    )
    assert (response.failed, response.errors) == ({}, 1)


@pytest.mark.parametrize(
    "text",
    ["sourceId b2 duplicated", "b2: is bad.", 'value "b2" is bad', "sourceId=b2", "bad (b2)"],
)
def test_a_text_names_an_item_by_its_key_as_a_word(text):
    response = BulkResponse.read(UpsertResponse(206, {"updatedErrors": [text]}), THREE)
    assert response.suspected == {1: text}
    assert response.failed == {}


@pytest.mark.parametrize("text", ["b22 is bad", "extid-b2 unknown", "x.b2", "b2/a", "a1 and b2"])
def test_a_text_that_holds_a_key_as_part_of_a_word_or_two_keys_names_none(text):
    assert BulkResponse.read(UpsertResponse(206, {"updatedErrors": [text]}), THREE).suspected == {}


def test_a_key_with_blanks_is_found_in_a_text():
    sent = merged({"sourceId": "two words"}, {"sourceId": "b"})
    assert BulkResponse.read(
        UpsertResponse(206, {"createdErrors": ["two words is bad"]}), sent
    ).suspected == {0: "two words is bad"}


def test_an_item_named_as_written_and_as_failed_is_open():
    body = {
        "insertsKeys": [{"sourceId": "a1"}],
        "createdErrors": [{"sourceId": "a1", "error": "x"}],
    }
    response = BulkResponse.read(UpsertResponse(206, body), THREE)
    assert (response.done, response.failed) == ({}, {})


def test_errors_by_key_in_an_object_are_errors_too():
    response = BulkResponse.read(
        UpsertResponse(403, {"permissionErrors": {"b2": "no permission"}}), THREE
    )
    assert response.suspected == {1: "b2: no permission"}


@pytest.mark.parametrize(
    ("body", "text", "words"),
    [
        (None, "Payload too odd", "Payload too odd"),
        ("Payload too odd", "", "Payload too odd"),
        ({"error": {"message": "Payload too odd"}}, "", "Payload too odd"),
        (["Payload", {"message": "too odd"}], "", "Payload; too odd"),
        ({"unrelated": 1}, "", ""),
    ],
)
def test_the_words_of_a_refusal_are_found(body, text, words):
    assert BulkResponse.read(UpsertResponse(400, body, text), THREE).words == words


def test_created_ids_name_items_only_where_nothing_better_does():
    body = {"updated": 1, "updatesKeys": [{"_id": "c3"}], "upsertedIds": ["c3"]}
    assert BulkResponse.read(UpsertResponse(200, body), THREE).done == {2: UPDATED}


@pytest.mark.parametrize(
    "odd", [5, "x", [1], {"created": "7", "createdErrors": 3}, {"created": -1}]
)
def test_an_answer_of_any_shape_is_read(odd):
    response = BulkResponse.read(UpsertResponse(206, odd), THREE)
    assert (response.counted, response.done, response.failed) == (0, {}, {})


def test_words_that_repeat_the_token_are_shown_without_it():
    token = "tKn9fZa7QxLm20wErTy"
    failed = {"message": f"Bearer {token} may not", "sourceId": "a1"}
    body = {"createdErrors": [failed, f"b2: not by {token[:12]}"], "error": f"{token} is known"}
    response = BulkResponse.read(UpsertResponse(206, body, hide=Redactor(token)), THREE)
    assert response.failed == {0: "Bearer *** may not"}
    assert response.suspected == {1: "b2: not by ***"}
    assert response.words == "*** is known"


def test_an_item_whose_key_holds_the_token_is_found_all_the_same():
    response = BulkResponse.read(
        UpsertResponse(206, {"createdErrors": ["b2 is bad"]}, hide=Redactor("b2")), THREE
    )
    assert response.suspected == {1: "*** is bad"}
