"""What is said in `select=`."""

from __future__ import annotations

import threading

import pytest

from planhat_api.errors import PayloadError, ServerFaultError
from planhat_api.resources import CONVERSATIONS, NPS, TASKS
from tap_planhat.lists.select import Select, names_to_ask


class Lists:
    """A server whose rows show some properties only where they are asked for."""

    def __init__(self, rows, *, hidden=(), unnamed=(), selects=True):
        self.rows = rows
        self.hidden = hidden
        self.unnamed = unnamed
        self.selects = selects
        self.queries = []

    def list_rows(self, resource, query):
        self.queries.append(query)
        names = query.get("select")
        if names is None or not self.selects:
            return [
                {name: value for name, value in row.items() if name not in self.hidden}
                for row in self.rows
            ]
        if self.selects == "refuses":
            raise PayloadError(f"GET {resource.path}", "400 select")
        return [
            {
                name: value
                for name, value in row.items()
                if name in names.split(",") and name not in self.unnamed
            }
            for row in self.rows
        ]


def ask(lists, resource=CONVERSATIONS, selected=None, needed=("_id",), *, parallel=1, unknown=None):
    names = list(resource.properties) if selected is None else selected
    filters = {"companyId": "c"}
    unknown = selected is None if unknown is None else unknown
    return names_to_ask(lists, resource, filters, names, needed, unknown=unknown, parallel=parallel)


def test_a_narrow_selection_is_asked_for_by_name_without_a_look():
    lists = Lists([])
    assert ask(lists, TASKS, ["action"], ["_id", "updatedAt"]) == Select(
        ("_id", "action", "updatedAt"), known=True
    )
    assert not lists.queries


def test_a_name_is_asked_for_as_rows_and_as_the_table_have_it():
    names = ask(Lists([]), NPS, ["score", "euId"], ["npsId"]).names
    assert names == ("_id", "euId", "nps", "npsId", "score")


def test_nothing_is_asked_for_by_name_where_that_shows_no_more():
    rows = [{"_id": "a", "subject": "s", "new": 1}]
    lists = Lists(rows, hidden=["description"])
    assert ask(lists) == Select(known=True)
    assert [query.get("companyId") for query in lists.queries] == ["c"] * 4
    assert sorted(query["sort"] for query in lists.queries) == ["-_id", "-_id", "_id", "_id"]


def test_a_narrow_selection_with_unknown_properties_is_not_asked_for_by_name():
    rows = [{"_id": "a", "subject": "s", "new": 1}]
    assert ask(Lists(rows), selected=["subject"], unknown=True) == Select(known=True)


def test_what_rows_show_only_if_asked_is_asked_for_beside_what_they_show():
    lists = Lists([{"_id": "a", "subject": "s", "new": 1}], hidden=["subject"])
    found = ask(lists)
    assert found.known
    assert set(found.names) == {*CONVERSATIONS.properties, "new"}


def test_a_server_that_refuses_to_select_is_asked_for_nothing():
    lists = Lists([{"_id": "a", "subject": "s"}], hidden=["subject"], selects="refuses")
    assert ask(lists) == Select(known=True)


def test_a_server_that_overlooks_names_is_asked_for_nothing():
    lists = Lists([{"_id": "a", "subject": "s"}], hidden=["subject"], selects=False)
    assert ask(lists) == Select(known=True)


def test_a_list_that_gives_less_by_name_is_asked_for_nothing():
    rows = [{"_id": "a", "subject": "s", "custom": {"Region": "EMEA"}}]
    assert ask(Lists(rows, unnamed=["custom"])) == Select(known=True)


def test_a_list_that_gives_no_contact_of_an_nps_answer_by_name_is_asked_for_nothing():
    # `_id` is the contact's there, and tells no row from others.
    rows = [{"_id": "contact", "npsId": "answer", "nps": 9}]
    assert ask(Lists(rows, unnamed=["_id"]), NPS) == Select(known=True)


def test_what_comes_by_name_only_wins_over_what_never_does_and_the_loss_is_told(caplog):
    rows = [{"_id": "a", "subject": "s", "custom": {"Region": "EMEA"}}]
    found = ask(Lists(rows, hidden=["subject"], unnamed=["custom"]))
    assert set(found.names) == set(CONVERSATIONS.properties)
    (entry,) = caplog.records
    assert "/conversations gives custom only to those who" in entry.getMessage()
    assert "and subject only by name" in entry.getMessage()


@pytest.mark.parametrize("selects", [True, "refuses"])
def test_an_empty_list_leaves_it_to_the_next_to_tell(selects):
    found = ask(Lists([], selects=selects))
    assert found == Select()


@pytest.mark.parametrize("later", [[], [{"_id": "b", "subject": "s"}]])
def test_rows_that_go_between_the_samples_tell_nothing_against_names(later):
    lists = Lists([{"_id": "b", "subject": "s"}, {"_id": "a", "custom": {}}])
    lists.list_rows = lambda _, query: later if "select" in query else lists.rows
    assert ask(lists) == Select(known=True)


def test_a_failing_sample_is_an_error():
    lists = Lists([])

    def fails(*_):
        raise ServerFaultError("GET /conversations", "500")

    lists.list_rows = fails
    with pytest.raises(ServerFaultError):
        ask(lists)


@pytest.mark.parametrize("parallel", [1, 4])
def test_all_samples_are_asked_for_at_once_where_that_is_allowed(parallel):
    together = threading.Barrier(min(4, parallel), timeout=10)
    under_way = threading.Semaphore(parallel)

    class Waiting(Lists):
        def list_rows(self, resource, query):
            assert under_way.acquire(blocking=False), "more calls at once than allowed"
            together.wait()
            rows = super().list_rows(resource, query)
            under_way.release()
            return rows

    assert ask(Waiting([{"_id": "a"}]), parallel=parallel).known
