"""The next run gives what is new, and nothing is left out for it."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

NOW = datetime.now(timezone.utc)
COMPANIES = [f"5f0000000000000000000{n:03d}" for n in range(3)]


def iso(**ago):
    moment = NOW - timedelta(**ago)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def oid(number, **ago):
    seconds = int((NOW - timedelta(**ago)).timestamp())
    return f"{seconds:08x}beefbeef{number:08x}"


def campaign(number, **ago):
    return {
        "_id": oid(number, **ago),
        "name": f"Campaign {number}",
        "companyId": COMPANIES[number % 3],
        "updatedAt": iso(**ago),
    }


def conversation(number, **ago):
    return {
        "_id": oid(number, **ago),
        "subject": f"Mail {number}",
        "companyId": COMPANIES[number % 3],
        "createDate": iso(**ago),
        "date": iso(**ago),
        "updatedAt": iso(**ago),
    }


def answer(number, **ago):
    return {
        "_id": oid(number % 7, days=3000),
        "npsId": oid(number, **ago),
        "nps": number % 11,
        "npsComment": f"Comment {number}",
        "npsDate": iso(**ago),
        "npsSent": None,
        "dateSent": iso(**ago),
        "email": f"contact{number % 7}@example.com",
        "cId": COMPANIES[number % 3],
    }


def task(number, *, archived=False, **ago):
    return {
        "_id": oid(number, **ago),
        "action": f"Task {number}",
        "mainType": "task",
        "companyId": COMPANIES[number % 3],
        "isArchived": archived,
        "createdAt": iso(**ago),
        "updatedAt": iso(**ago),
    }


def rows(count=40):
    """Return rows of all four, one a week, the newest a week old."""
    weeks = range(count, 0, -1)
    return {
        "campaigns": [campaign(week, weeks=week) for week in weeks],
        "conversations": [conversation(week, weeks=week) for week in weeks],
        "nps": [answer(week, weeks=week) for week in weeks],
        "tasks": [task(week, archived=week % 2 == 0, weeks=week) for week in weeks],
    }


def find(server, stream, number):
    return server.rows[stream][-number]


def test_a_run_right_after_another_gives_only_what_the_lookback_covers_again(tap, odd):
    with odd() as server:
        server.rows = rows()
        first = tap.reads(server)
        second = tap.reads(server, state=first.state)
        third = tap.reads(server, state=second.state, lookback_minutes=60 * 24 * 15)
        bare = task(99)
        del bare["updatedAt"]
        server.rows["tasks"].append(bare)
        fourth = tap.reads(server, "tasks", state=third.state)
    for stream in ("campaigns", "conversations", "nps"):
        assert len(first.ids(stream)) == 40
        assert len(second.ids(stream)) == 1
        assert len(third.ids(stream)) == 3
        assert third.bookmark(stream) == second.bookmark(stream)
    # One of each of its two lists.
    assert len(second.ids("tasks")) == 2
    assert bare["_id"] in fourth.ids("tasks")


def test_records_come_out_even_where_no_state_follows_since_it_is_the_same_as_before(tap, odd):
    with odd() as server:
        server.rows = rows()
        first = tap.reads(server, "campaigns")
        second = tap.reads(server, "campaigns", state=first.state)
    assert second.state == first.state
    assert second.ids("campaigns") == [find(server, "campaigns", 1)["_id"]]


def test_whatever_came_or_changed_since_is_seen_by_the_next_run(tap, odd):
    with odd() as server:
        server.rows = rows()
        undated = task(80, weeks=50)
        del undated["updatedAt"]
        server.rows["tasks"].insert(0, undated)
        first = tap.reads(server)

        new = {
            "campaigns": [campaign(101)],
            # Imported today, written ten years ago.
            "conversations": [conversation(102) | {"createDate": iso(weeks=520), "date": None}],
            # Of a contact who has answered before, and whose list `_id` is old.
            "nps": [answer(3)],
            "tasks": [task(103), task(104, archived=True)],
        }
        for stream, more in new.items():
            server.rows[stream] += more
        edited, completed, reopened = (find(server, "tasks", week) for week in (7, 9, 10))
        edited |= {"action": "Edited", "updatedAt": iso()}
        completed |= {"isArchived": True, "updatedAt": iso()}
        reopened |= {"isArchived": False, "updatedAt": iso()}

        second = tap.reads(server, state=first.state)
    expected = {name: {row.get("npsId", row["_id"]) for row in more} for name, more in new.items()}
    expected["tasks"] |= {row["_id"] for row in (edited, completed, reopened)}
    assert undated["_id"] not in second.ids("tasks")
    for stream, ids in expected.items():
        found = second.ids(stream)
        assert ids <= set(found)
        # The bookmarks' own rows, one or two, come again.
        assert len(found) <= len(ids) + 2
        assert len(set(found)) == len(found)
    assert {r["_id"]: r["action"] for r in second.records("tasks")}[edited["_id"]] == "Edited"


@pytest.mark.parametrize("shift", ["Z", "+02:00"])
def test_strange_dates_move_no_bookmark_past_what_is_yet_to_come(tap, odd, shift):
    with odd() as server:
        server.rows = rows()
        for week, date in enumerate(
            (
                iso(days=-3000),
                iso(weeks=2)[:19] + "Z",
                iso(weeks=3)[:-1] + "456" + shift,
                iso(weeks=4)[:10],
                "",
                None,
            ),
            start=1,
        ):
            find(server, "tasks", 2 * week)["updatedAt"] = date
            find(server, "nps", week)["npsDate"] = date or iso(weeks=week)
        server.rows["conversations"].append(conversation(200, days=-3000))
        first = tap.reads(server)
        bookmarks = first.state["bookmarks"]
        archived = bookmarks["tasks"]["partitions"][1]["replication_key_value"]
        reached = [bookmarks["nps"]["replication_key_value"], archived]
        # By the clock, not by NOW: that was when the tests were collected.
        late = datetime.now(timezone.utc) - NOW + timedelta(minutes=5)
        assert all(len(value) == 24 and value <= iso(seconds=-late.seconds) for value in reached)
        latest = oid(0, seconds=-late.seconds)
        assert bookmarks["conversations"]["replication_key_value"] <= latest

        server.rows["conversations"].append(conversation(201))
        server.rows["nps"].append(answer(202))
        server.rows["tasks"].append(task(203, archived=True))
        second = tap.reads(server, state=first.state)
    for stream in ("conversations", "nps", "tasks"):
        last = server.rows[stream][-1]
        assert {row.get("npsId", row["_id"]) for row in server.rows[stream]} <= {
            *first.ids(stream),
            last.get("npsId", last["_id"]),
        }
        assert last.get("npsId", last["_id"]) in second.ids(stream)


def test_start_date_means_created_updated_or_answered_since(tap, odd):
    with odd() as server:
        server.rows = rows()
        # Edited lately, but made long ago; and the other way round for tasks.
        find(server, "campaigns", 20)["updatedAt"] = iso()
        find(server, "tasks", 20)["updatedAt"] = iso(minutes=1)
        find(server, "conversations", 2)["createDate"] = iso(weeks=500)
        start = iso(weeks=5, days=3)
        first = tap.reads(server, start_date=start)
        second = tap.reads(server, start_date=start, state=first.state)
    for stream in ("campaigns", "conversations", "nps"):
        assert len(first.ids(stream)) == 5
        assert len(second.ids(stream)) == 1
    assert len(first.ids("tasks")) == 6
    assert len(second.ids("tasks")) == 2


def test_a_whole_reading_finds_edits_that_a_key_does_not_show_once_the_last_is_old(tap, odd):
    streams = ("campaigns", "conversations", "nps")
    with odd() as server:
        server.rows = rows()
        first = tap.reads(server)
        find(server, "campaigns", 20)["name"] = "Edited"
        find(server, "conversations", 20)["subject"] = "Edited"
        find(server, "nps", 20)["npsComment"] = "Edited"
        second = tap.reads(server, state=first.state)
        aged = second.state
        for stream in streams:
            aged["bookmarks"][stream]["full_read_at"] = iso(days=3)
        server.calls.clear()
        third = tap.reads(server, state=aged, rescan_days=4)
        fourth = tap.reads(server, state=aged, rescan_days=0)
        fifth = tap.reads(server, state=aged)
        sixth = tap.reads(server, state=fifth.state)
    for stream in streams:
        assert [len(run.ids(stream)) for run in (second, third, fourth, sixth)] == [1] * 4
        assert len(fifth.ids(stream)) == 40
        assert any("Edited" in record.values() for record in fifth.records(stream))
        assert fifth.bookmark(stream)["full_read_at"] > first.bookmark(stream)["full_read_at"]
    assert len(fifth.ids("tasks")) == 2


def test_conversations_and_campaigns_by_updated_at_show_edits_without_a_whole_reading(tap, odd):
    streams = ("campaigns", "conversations")
    catalog = tap.catalog(*streams, key="updatedAt")
    with odd() as server:
        server.rows = rows()
        # Most rows of a tenant are older than the property.
        for stream in streams:
            for row in server.rows[stream][:10]:
                del row["updatedAt"]
        first = tap.reads(server, catalog=catalog)
        find(server, "campaigns", 20)["updatedAt"] = iso()
        find(server, "conversations", 20)["updatedAt"] = iso()
        second = tap.reads(server, catalog=catalog, state=first.state)
    for stream in streams:
        assert len(set(first.ids(stream))) == 40
        assert find(server, stream, 20)["_id"] in second.ids(stream)
        # The one that was edited, and the bookmark's own row.
        assert len(second.ids(stream)) == 2


def test_tasks_by_id_show_new_ones(tap, odd):
    catalog = tap.catalog("tasks", key="_id")
    with odd() as server:
        server.rows = rows()
        first = tap.reads(server, catalog=catalog)
        server.rows["tasks"].append(task(300))
        second = tap.reads(server, catalog=catalog, state=first.state)
    assert len(set(first.ids("tasks"))) == 40
    assert server.rows["tasks"][-1]["_id"] in second.ids("tasks")
    assert len(set(second.ids("tasks"))) == 3


def test_a_replication_key_that_misses_rows_is_refused(tap, odd):
    with odd() as server:
        run = tap(server, catalog=tap.catalog("conversations", key="createDate"))
    assert run.code == 1
    assert "_id or updatedAt" in run.complaint
    assert not server.calls


def test_only_the_companies_asked_for_are_read(tap, odd):
    with odd() as server:
        server.rows = rows()
        first = tap.reads(server, company_ids=COMPANIES[:2])
        for name, new in (("campaigns", campaign), ("nps", answer), ("tasks", task)):
            server.rows[name] += [new(number) for number in (400, 401, 402)]
        second = tap.reads(server, company_ids=COMPANIES[:2], state=first.state)
        third = tap.reads(server, company_ids=COMPANIES, state=second.state)
    for stream, company in (
        ("campaigns", "companyId"),
        ("conversations", "companyId"),
        ("nps", "cId"),
        ("tasks", "companyId"),
    ):
        assert {record[company] for record in first.records(stream)} == set(COMPANIES[:2])
        assert len(first.ids(stream)) == 27
        assert {record[company] for record in second.records(stream)} <= set(COMPANIES[:2])
        # What the third company has had all along.
        added = [row for row in third.records(stream) if row[company] == COMPANIES[2]]
        assert len(added) >= 13
    for stream in ("campaigns", "nps", "tasks"):
        assert len(second.ids(stream)) in range(2, 7)


def test_what_others_keep_in_state_and_catalog_is_passed_on(tap, odd):
    catalog = tap.catalog("campaigns")
    entry = next(each for each in catalog["streams"] if each["tap_stream_id"] == "campaigns")
    entry["schema"]["properties"]["__v"]["multipleOf"] = 0.5
    bookmark = {"replication_key": "_id", "replication_key_value": "6" * 24, "by_id_to": None}
    others = {"invoices": {"replication_key_value": 1.5}}
    with odd() as server:
        server.rows = {"campaigns": [{"_id": "6" * 23 + "7", "name": "New"}]}
        state = {"bookmarks": {"campaigns": bookmark, **others}}
        run = tap.reads(server, catalog=catalog, state=state)
    assert run.ids("campaigns") == ["6" * 23 + "7"]
    assert run.state["bookmarks"]["invoices"] == others["invoices"]
    (schema,) = run.of("SCHEMA")
    assert schema["schema"]["properties"]["__v"]["multipleOf"] == 0.5
