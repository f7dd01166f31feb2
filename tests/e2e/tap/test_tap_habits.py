"""A server with other habits than the documentation's examples loses no row."""

from __future__ import annotations

import random
from datetime import datetime, timedelta, timezone

import pytest

STREAMS = ("campaigns", "conversations", "nps", "tasks")
NOW = datetime.now(timezone.utc)


def iso(**ago):
    moment = NOW - timedelta(**ago)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def row(stream, number, **ago):
    """Return a row whose ids are no ObjectIds: a counter in base 10."""
    shared = {"_id": f"{stream}-{number:05d}", "companyId": "c-1", "custom": {"Number": number}}
    if stream == "nps":
        # Three answers a contact.
        contact = f"contact-{number // 3:05d}"
        ids = {"_id": contact, "npsId": shared.pop("_id")}
        return shared | ids | {"nps": 7, "npsDate": iso(**ago), "cId": "c-1"}
    if stream == "tasks":
        return shared | {"updatedAt": iso(**ago), "isArchived": number % 3 == 0, "action": "Call"}
    if stream == "conversations":
        return shared | {"subject": "Subject", "description": "Text", "date": iso(**ago)}
    return shared | {"name": "Name"}


def filled(stream):
    made = [row(stream, number, hours=400 - number) for number in range(150)]
    if stream == "tasks":
        for one in made[:9]:
            del one["updatedAt"]
        for one in made[9:18]:
            one["updatedAt"] = None
        # Changed in bulk: more than a page of them at one moment.
        for one in made[60:90]:
            one["updatedAt"] = iso(hours=200)
    random.Random(7).shuffle(made)
    return made


def ids(rows):
    return {each.get("npsId", each["_id"]) for each in rows}


def test_pages_that_a_server_cannot_answer_are_asked_for_in_halves(tap, odd):
    with odd(most=40) as server:
        server.rows = {"campaigns": filled("campaigns")}
        run = tap.reads(server, "campaigns", page_size=80, retry_timeout=1)
        refused = [call for call in server.calls if call.status == 500]
    assert set(run.ids("campaigns")) == ids(server.rows["campaigns"])
    assert len(refused) < 20


@pytest.mark.parametrize(
    ("habits", "config"),
    [
        ({"descending": False}, {"page_size": 20}),
        ({"nulls_last": True}, {"page_size": 20}),
        ({"nulls_last": True, "descending": False}, {"page_size": 20}),
        ({"cap": 11}, {}),
        ({"cap": 40, "nulls_last": True}, {"parallel_requests": 1}),
        ({"repeats": True}, {"page_size": 20}),
        ({"selects": False}, {"page_size": 50}),
        ({"window": 3660}, {}),
        ({"delay": 0.02}, {"page_size": 10, "parallel_requests": 10}),
    ],
    ids=lambda value: ",".join(value) or "defaults",
)
def test_every_row_comes_out_whatever_the_servers_habits(tap, odd, habits, config):
    with odd(**habits) as server:
        server.rows = {stream: filled(stream) for stream in STREAMS}
        first = tap.reads(server, **config)
        for stream in STREAMS:
            assert set(first.ids(stream)) == ids(server.rows[stream])
            server.rows[stream].insert(5, row(stream, 500))
        second = tap.reads(server, state=first.state, **config)
    for stream in STREAMS:
        assert f"{stream}-00500" in second.ids(stream)
        assert len(set(second.ids(stream))) < 60


def test_tasks_come_out_even_where_their_list_keeps_to_no_order_but_that_of_ids(tap, odd):
    with odd(ordered=False) as server:
        made = sorted(filled("tasks"), key=lambda one: one["_id"])
        server.rows = {"tasks": made}
        first = tap.reads(server, "tasks", page_size=20)
        assert set(first.ids("tasks")) == ids(made)
        made[40] |= {"updatedAt": iso(), "action": "Edited"}
        made.append(row("tasks", 500))
        second = tap.reads(server, "tasks", page_size=20, state=first.state)
    assert {made[40]["_id"], "tasks-00500"} <= set(second.ids("tasks"))
    assert "Edited" in [record["action"] for record in second.records("tasks")]
    # What has no date, and what shares the bookmark's moment, comes again.
    assert len(set(second.ids("tasks"))) < 60
    assert "by _id instead" in first.err


def test_a_list_in_no_order_at_all_is_an_error_that_names_it(tap, odd):
    with odd(ordered=False) as server:
        server.rows = {"campaigns": filled("campaigns")}
        run = tap(server, "campaigns", page_size=20)
    assert run.code == 1
    assert "order of _id" in run.complaint
    assert "Traceback" not in run.err


def test_properties_that_lists_leave_out_unless_they_are_selected_are_asked_for(tap, odd):
    with odd(sparse=frozenset({"description", "custom"})) as server:
        server.rows = {"conversations": filled("conversations")}
        run = tap.reads(server, "conversations")
    assert {record["description"] for record in run.records("conversations")} == {"Text"}
    assert all(record["custom"] for record in run.records("conversations"))


def test_a_window_of_the_nps_list_that_reaches_back_less_far_than_asked_ends_well(tap, odd):
    with odd(window=10) as server:
        server.rows = {"nps": filled("nps")}
        recent = {each["npsId"] for each in server.rows["nps"] if each["npsDate"] >= iso(days=9)}
        run = tap.reads(server, "nps")
    assert recent <= set(run.ids("nps")) < ids(server.rows["nps"])


def test_values_of_other_types_than_documented_become_records_that_fit(tap, odd):
    with odd() as server:
        server.rows = {
            "tasks": [
                row("tasks", 1, hours=3)
                | {"sourceId": 77, "startTime": "", "repeatDays": "3", "noSpecificTime": "true"},
                row("tasks", 2, hours=2)
                | {"custom": {"Mixed": [1, "undefined", None], "None": None}, "users": None},
                row("tasks", 4, hours=1) | {"startTime": "2024-02-30", "neverSeen": 1},
            ],
        }
        run = tap.reads(server, "tasks")
    one, two, three = sorted(run.records("tasks"), key=lambda record: record["_id"])[:3]
    assert (one["sourceId"], one["startTime"], one["repeatDays"]) == ("77", None, 3)
    assert one["noSpecificTime"] is True
    assert two["custom"]["Mixed"] == [1, "undefined", None]
    assert three["startTime"] is None
    assert "neverSeen" not in three
    assert run.err.count("neverSeen") == 1
