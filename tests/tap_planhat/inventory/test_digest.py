"""Ids and digests of rows."""

from __future__ import annotations

import orjson
import pytest

from planhat_api.resources import NPS, TASKS
from tap_planhat.inventory.digest import Digester, entry_ids, rows_of

GOOD = ["5f0000000000000000000001", "5f00000000000000000000ab"]


@pytest.mark.parametrize("odd", [None, "", "short", "5F00000000000000000000AB", 12, "5f" * 13])
def test_an_id_that_is_none_of_planhats_is_not_noted_and_the_others_are(odd):
    rows = [{"_id": GOOD[0]}, {"_id": odd}, {"_id": GOOD[1]}]
    assert entry_ids(TASKS, rows) == [bytes.fromhex(GOOD[0]), None, bytes.fromhex(GOOD[1])]
    assert entry_ids(TASKS, rows[::2]) == [bytes.fromhex(each) for each in GOOD]


def test_answers_are_told_by_contact_and_answer_in_either_shape():
    pair = bytes.fromhex(GOOD[0] + GOOD[1])
    assert entry_ids(NPS, [{"_id": GOOD[0], "npsId": GOOD[1]}]) == [pair]
    assert entry_ids(NPS, [{"euId": GOOD[0], "_id": GOOD[1]}]) == [pair]
    assert entry_ids(NPS, [{"_id": None, "npsId": GOOD[1]}]) == [None]


def test_what_is_ignored_makes_no_other_digest_and_all_else_does():
    digester = Digester("", ["custom.Days in Phase", "snippet"])
    row = {"_id": "a", "snippet": "x", "custom": {"Days in Phase": 1, "Seats": 2}}
    _, (first,) = digester.encode([row])
    _, others = digester.encode(
        [
            {**row, "snippet": "y", "custom": {"Days in Phase": 9, "Seats": 2}},
            {**row, "custom": {"Days in Phase": 1, "Seats": 3}},
        ]
    )
    assert others[0] == first != others[1]
    assert Digester("other").encode([row])[1] != Digester("").encode([row])[1]


@pytest.mark.parametrize("odd", [5, 0, True, {"$oid": "x"}, ["x"]])
def test_rows_whose_id_is_no_text_are_found_among_those_without_one(odd):
    as_text = orjson.dumps(odd).decode()
    rows = [{"_id": GOOD[0]}, {"name": "none"}, {"_id": odd}, {"_id": GOOD[1]}]
    records = [{"_id": GOOD[0]}, {"_id": as_text}, {"_id": GOOD[1]}]
    assert list(rows_of(TASKS, records, rows)) == [rows[0], *rows[2:]]
