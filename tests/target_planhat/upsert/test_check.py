"""What an answer says of the records it has written, and what the write mode makes of that."""

from __future__ import annotations

import orjson
import pytest

from planhat_api.client import UpsertResponse
from planhat_api.resources import TASKS
from target_planhat.errors import WriteModeError
from target_planhat.item import Item
from target_planhat.outcome import OutcomeKind
from target_planhat.tenant.check import TenantCheck
from target_planhat.tenant.compare import KnownRow
from target_planhat.tenant.judge import CheckSettings
from target_planhat.upsert.check import WrittenRecords
from target_planhat.upsert.merge import waves
from target_planhat.upsert.upserter import Upserter

A, B, C = "5f1b7a9e1a2b3c4d5e6f7a01", "5f1b7a9e1a2b3c4d5e6f7a02", "5f1b7a9e1a2b3c4d5e6f7a03"
COMPANY = "61006bc89a3e0b702ed8ea49"


def items(*keys):
    return [
        Item({"sourceId": key, "companyId": COMPANY, "action": "x"}, {"sourceId": key}, COMPANY)
        for key in keys
    ]


def written(body, *keys):
    [wave] = waves(items(*keys))
    return WrittenRecords.read(body, wave)


def test_counts_and_ids_are_read_in_whatever_list_they_are():
    listed = {"insertsKeys": [{"_id": A, "sourceId": "a"}], "updatesKeys": [{"_id": B}]}
    found = written({"created": 1, "updated": 1, **listed}, "a", "b")
    assert (found.created, found.updated) == (1, 1)
    assert (found.created_ids, found.updated_ids) == ([A], [B])
    assert found.by_item == {0: A}
    assert written({"upsertedIds": [A]}, "a", "b").created_ids == [A]
    assert written({"modified": [B]}, "a", "b").updated == 1
    assert written({"upsertedIds": [A, B], "modified": [B]}, "a", "b").created_ids == [A]


@pytest.mark.parametrize("body", [None, "Forbidden", [], {"created": True}, {"insertsKeys": "x"}])
def test_an_answer_that_says_nothing_of_records_names_none(body):
    found = written(body, "a", "b")
    assert (found.created, found.updated, dict(found.by_item)) == (0, 0, {})


def test_the_id_of_an_item_that_was_sent_alone_is_known_without_its_key():
    assert written({"upsertedIds": [A]}, "a").by_item == {0: A}
    assert written({"insertsKeys": [{"_id": A}]}, "a").by_item == {0: A}
    assert written({"insertsKeys": [{"_id": A}]}, "a", "b").by_item == {}


ERRORS = {
    "keys": {"message": "bad", "sourceId": "c"},
    "nested": {"error": {"message": "bad"}, "keys": {"sourceId": "c"}},
    "item": {"error": "bad", "item": {"sourceId": "c", "companyId": COMPANY, "action": "x"}},
    "text": "bad value (sourceId c)",
    "mute": {"message": "bad"},
    "mute text": "bad",
}
DONE = {
    "update_only": {"created": 1, "insertsKeys": [{"_id": A, "sourceId": "a"}], "updated": 1},
    "create_only": {"updated": 1, "updatesKeys": [{"_id": A, "sourceId": "a"}], "created": 1},
}


class Api:
    """Answers the first request as told; then as a server that fails on `c` alone."""

    resource = TASKS

    def __init__(self, status, body):
        self.first = UpsertResponse(status, body)
        self.requests = 0

    def upsert(self, body, **_):
        self.requests += 1
        if self.requests == 1:
            return self.first
        keys = [item["sourceId"] for item in orjson.loads(body)]
        failed = [ERRORS["keys"] for key in keys if key == "c"]
        good = len(keys) - len(failed)
        reply = {"created": 0, "updated": 0, "nonupdates": good, "createdErrors": failed}
        return UpsertResponse(206 if failed else 200, reply)

    def known_records(self):
        return None


class Rows:
    """A tenant in which some keys are found."""

    young = ""

    def __init__(self, *known):
        self.known = known

    def candidates(self, keys):
        key = keys["sourceId"]
        row = KnownRow(1, {"_id": B, "sourceId": key})
        return {"sourceId": [row] if key in self.known else []}

    def put(self, *_):
        pass

    forget = put


def upserter(api, mode, *known):
    settings = CheckSettings(compare=False, write_mode=mode, dry_run=False, reject_reserved=True)
    check = TenantCheck(None, TASKS, settings, None)
    check._rows = Rows(*known)
    check._known = check._known.__class__(TASKS, {"sourceId"})
    return Upserter(api, check=check, retry_timeout=0)


@pytest.mark.parametrize("mode", list(DONE))
@pytest.mark.parametrize("shape", list(ERRORS))
@pytest.mark.parametrize("status", [200, 206, 400])
def test_what_the_mode_forbids_ends_the_run_with_its_ids_whatever_else_failed(mode, shape, status):
    body = {**DONE[mode], "createdErrors": [ERRORS[shape]]}
    api = Api(status, body)
    known = ("a", "b", "c") if mode == "update_only" else ()
    result = upserter(api, mode, *known).upsert(items("a", "b", "c"))
    assert isinstance(result.error, WriteModeError)
    assert A in str(result.error)
    assert mode in str(result.error)
    kinds = [outcome.kind for outcome in result.outcomes]
    assert kinds[2] is OutcomeKind.REJECTED
    assert OutcomeKind.REJECTED not in kinds[:2]
    assert result.ids[0] == A


@pytest.mark.parametrize("status", [200, 206, 400])
@pytest.mark.parametrize("mode", list(DONE))
def test_counts_alone_are_enough_to_notice_it(mode, status):
    body = {name: count for name, count in DONE[mode].items() if isinstance(count, int)}
    errors = [] if status == 200 else [ERRORS["keys"]]
    known = ("a", "b", "c") if mode == "update_only" else ()
    sent = items("a", "b") if status == 200 else items("a", "b", "c")
    result = upserter(Api(status, {**body, "createdErrors": errors}), mode, *known).upsert(sent)
    assert isinstance(result.error, WriteModeError)
    assert "not named in Planhat's answer" in str(result.error)


@pytest.mark.parametrize("mode", list(DONE))
def test_what_the_mode_is_for_goes_on(mode):
    only = {"updated": 2} if mode == "update_only" else {"created": 2}
    known = ("a", "b") if mode == "update_only" else ()
    result = upserter(Api(200, only), mode, *known).upsert(items("a", "b"))
    assert result.error is None


def test_items_that_meet_themselves_when_sent_again_are_nobody_elses():
    # The first answer counts two as created; sent again, they are there.
    body = {"created": 2, "createdErrors": [ERRORS["mute"]]}
    result = upserter(Api(206, body), "create_only").upsert(items("a", "b", "c"))
    assert result.error is None
    kinds = [outcome.kind for outcome in result.outcomes]
    assert kinds == [OutcomeKind.CREATED, OutcomeKind.CREATED, OutcomeKind.REJECTED]
