"""Rows under the names of their list and of the property table."""

from __future__ import annotations

from planhat_api.resources import NPS, TASKS
from planhat_api.rows import RowNames, row_names


def test_a_property_is_looked_for_under_both_names():
    assert row_names(NPS, "dateAnswered") == {"dateAnswered", "npsDate"}
    assert row_names(NPS, "_id") == {"_id", "npsId"}
    assert row_names(TASKS, "action") == {"action"}


def test_a_row_of_the_list_gets_the_names_of_the_table():
    row = {"_id": "contact", "npsId": "answer", "nps": 9, "npsSent": "x", "email": "a@b.c"}
    renamed = RowNames(NPS).renamed(row)
    assert renamed == {"euId": "contact", "_id": "answer", "score": 9, "email": "a@b.c"}


def test_null_under_the_name_of_the_list_gives_way_to_a_value():
    row = {"_id": "contact", "npsId": "answer", "npsComment": None, "comment": "fine"}
    assert RowNames(NPS).renamed(row)["comment"] == "fine"


def test_a_row_in_the_shape_of_the_table_stays_as_it_is():
    row = {"_id": "answer", "score": 9}
    assert RowNames(NPS).renamed(row) is row
    row = {"_id": "a", "nps": 1}
    assert RowNames(TASKS).renamed(row) is row


def test_one_row_tells_for_those_that_came_with_it_and_after_it():
    names = RowNames(NPS)
    names.learn([{"_id": "contact"}, {"_id": "other", "npsId": "answer"}])
    assert names.renamed({"_id": "contact"}) == {"euId": "contact"}
