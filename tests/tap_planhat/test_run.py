"""The lists that make up a stream: passes, companies, ages of NPS answers."""

from __future__ import annotations

import threading
import time
from collections import Counter
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest

from planhat_api.dates import ServerClock
from planhat_api.dates import to_text as text_of
from tap_planhat.instants import first_id
from tap_planhat.lists import companies, lists

UTC = timezone.utc
BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
HEX = 24


def test_tasks_are_read_open_then_archived_each_with_its_own_bookmark(planhat, run):
    for number in range(6):
        planhat.add("tasks", number, at=100 + number, isArchived=number % 2 == 0)
    out = run("tasks")
    assert sorted(out.ids()) == sorted(row["_id"] for row in planhat.rows["tasks"])
    assert out.bookmark("tasks", isArchived="false")["replication_key_value"].endswith(
        "01:45:00.000Z"
    )
    assert out.bookmark("tasks", isArchived="true")["replication_key_value"].endswith(
        "01:44:00.000Z"
    )
    assert out.bookmark("tasks").keys() == {"full_read_at", "undated"}
    assert out.kinds[0:1] == ["SCHEMA"] or out.kinds[0:2] == ["STATE", "SCHEMA"]


@pytest.mark.parametrize("key", ["updatedAt", "_id", None])
def test_a_task_reopened_between_the_passes_comes_out_as_it_is_now(planhat, run, key):
    for number in range(6):
        planhat.add("tasks", number, at=number, isArchived=number > 2)
    reopened = planhat.rows["tasks"][4]

    def before(_, query):
        # The open list has been read; the archived one not yet.
        if query.get("isArchived") == "true" and reopened["isArchived"]:
            reopened.update(isArchived=False, updatedAt=text_of(datetime.now(UTC)))

    planhat.before = before
    out = run("tasks", key=key, method=None if key else "FULL_TABLE")
    latest = {record["_id"]: record for record in out.records()}
    assert latest[reopened["_id"]]["isArchived"] is False
    assert len(latest) == 6


@pytest.mark.parametrize("key", ["updatedAt", "_id", None])
def test_a_task_reopened_between_a_killed_run_and_the_next_is_not_lost(planhat, run, key):
    for number in range(6):
        planhat.add("tasks", number, at=number, isArchived=number > 2)
    method = None if key else "FULL_TABLE"
    # The open list is read, the archived one is not.
    killed = None
    for call in range(2, 40):
        planhat.kill_at(call)
        killed = run("tasks", key=key, method=method, stop=True)
        if any(query.get("isArchived") == "true" for query in planhat.lists("tasks")):
            break
    planhat.live()
    reopened = planhat.rows["tasks"][4]
    reopened.update(isArchived=False, updatedAt=text_of(datetime.now(UTC) - timedelta(hours=3)))
    state = killed.state
    state["bookmarks"]["tasks"]["moved_back_since"] = text_of(
        datetime.now(UTC) - timedelta(hours=4)
    )
    if "full_table" in state["bookmarks"]["tasks"]:
        state["bookmarks"]["tasks"]["full_table"]["began"] = text_of(
            datetime.now(UTC) - timedelta(hours=4)
        )
    again = run("tasks", state, key=key, method=method)
    assert reopened["_id"] in {*killed.ids(), *again.ids()}
    assert "moved_back_since" not in again.bookmark("tasks")


def test_the_look_for_tasks_that_moved_back_does_not_touch_a_bookmark_by_id(planhat, run):
    for number in range(40):
        planhat.add("tasks", number, at=number)
    planhat.rows["tasks"][3]["updatedAt"] = text_of(datetime.now(UTC))
    out = run("tasks", key="_id")
    bookmark = out.bookmark("tasks", isArchived="false")
    assert bookmark["replication_key"] == "_id"
    assert bookmark["replication_key_value"] == planhat.rows["tasks"][39]["_id"]


def test_tasks_that_moved_back_are_found_without_their_date_selected(planhat, run):
    for number in range(40):
        planhat.add("tasks", number, at=number)

    def change(entry):
        for each in entry["metadata"]:
            if each["breadcrumb"] in (["properties", "updatedAt"], ["properties", "other"]):
                each["metadata"]["selected"] = False
                each["metadata"]["inclusion"] = "available"

    out = run("tasks", key="_id", change=change)
    # With the dates unseen, all of them would come a second time.
    assert len(out.ids()) == 40
    assert all("updatedAt" in query["select"] for query in planhat.lists("tasks"))
    assert all("updatedAt" not in record for record in out.records())


def test_a_run_leaves_no_thread_of_its_own(planhat, run):
    planhat.add("tasks", 1, at=1)
    run("tasks")
    for _ in range(500):
        if not [each for each in threading.enumerate() if each.name.startswith("planhat-page")]:
            return
        time.sleep(0.002)
    raise AssertionError("threads are left")


def test_a_killed_run_of_tasks_says_since_when_rows_may_have_moved_back(planhat, run):
    planhat.add("tasks", 1, at=1)
    planhat.kill_at(6)
    killed = run("tasks", key="_id", stop=True)
    assert killed.bookmark("tasks")["moved_back_since"] <= text_of(datetime.now(UTC))


def test_a_task_completed_between_the_passes_is_not_lost(planhat, run):
    for number in range(40):
        planhat.add("tasks", number, at=number)
    completed = planhat.rows["tasks"][39]

    def before(_, query):
        if query.get("isArchived") == "false" and query["offset"] > 0:
            completed.update(isArchived=True, updatedAt=text_of(datetime.now(UTC)))

    planhat.before = before
    out = run("tasks", page_size=10)
    assert completed["isArchived"]
    assert set(out.ids()) == {row["_id"] for row in planhat.rows["tasks"]}


@pytest.mark.parametrize("key", ["updatedAt", "_id", None])
def test_tasks_without_a_date_come_once_a_run(planhat, run, key):
    for number in range(12):
        planhat.add("tasks", number, at=None if number % 3 else number, isArchived=number % 2 == 0)
    method = None if key else "FULL_TABLE"
    out = run("tasks", key=key, method=method)
    assert set(Counter(out.ids()).values()) == {1}
    assert len(out.ids()) == 12
    if key == "updatedAt":
        planhat.add("tasks", 100)
        new = planhat.add("tasks", 101, isArchived=True)
        again = run("tasks", out.state).ids()
        assert not {
            row["_id"] for row in planhat.rows["tasks"][:12] if "updatedAt" not in row
        } & set(again)
        assert {row["_id"] for row in planhat.rows["tasks"][12:]} <= set(again)
        assert new["_id"] not in run("tasks", run("tasks", out.state).state).ids()


def flips(planhat, row, times):
    """Archive or reopen a task each time another list than before is read, so many times."""
    seen = [None]

    def before(resource, query):
        archived = query.get("isArchived")
        if resource != "tasks" or archived in {None, seen[0]}:
            return
        seen[0] = archived
        if len(changes) < times:
            # Into the list that is not about to be read.
            changes.append(archived)
            row.update(isArchived=archived == "false", updatedAt=text_of(datetime.now(UTC)))

    changes = []
    planhat.before = before


@pytest.mark.parametrize("times", [1, 2, 3, 4])
@pytest.mark.parametrize("key", ["updatedAt", "_id", None])
def test_a_task_that_changes_lists_again_and_again_is_not_lost(planhat, run, key, times):
    for number in range(30):
        planhat.add("tasks", number, at=number, isArchived=number > 20)
    row = planhat.rows["tasks"][25]
    flips(planhat, row, times)
    out = run("tasks", key=key, method=None if key else "FULL_TABLE")
    if times <= 3:
        # The first leaves it in the archived list, the second reopens it.
        assert row["_id"] in out.ids()
    latest = {record["_id"]: record for record in out.records()}
    assert len(latest) == 30 or times > 3
    if key == "updatedAt":
        planhat.live()
        assert row["_id"] in {*out.ids(), *run("tasks", out.state).ids()}


@pytest.mark.parametrize("key", ["updatedAt", "_id"])
def test_tasks_that_change_all_the_time_do_not_keep_a_run_busy(planhat, run, key):
    for number in range(30):
        planhat.add("tasks", number, at=number)

    def before(*_):
        row = planhat.rows["tasks"][len(planhat.asked) % 30]
        row["updatedAt"] = text_of(datetime.now(UTC))

    planhat.before = before
    out = run("tasks", key=key)
    assert len(set(out.ids())) == 30
    assert len(planhat.asked) < 120


def test_a_list_that_is_not_sorted_by_its_key_is_read_by_id_no_more_than_twice(planhat, run):
    for number in range(60):
        planhat.add("tasks", number, at=(7 * number) % 60)
    show = planhat.list_rows

    def unsorted(resource, query, **options):
        return show(resource, {**query, "sort": "_id"}, **options)

    planhat.list_rows = unsorted
    out = run("tasks", page_size=20)
    assert len(set(out.ids())) == 60
    pages = [query for query in planhat.lists("tasks") if query["limit"] == 20]
    assert len(pages) < 30


def test_a_second_run_brings_what_is_new_in_either_list(planhat, run):
    for number in range(300):
        planhat.add("tasks", number, at=number, isArchived=number % 2 == 0)
    first = run("tasks")
    new = planhat.add("tasks", 1000, at=1000)
    done = planhat.rows["tasks"][7]
    done.update(isArchived=True, updatedAt=text_of(BEGINNING + timedelta(minutes=1001)))
    planhat.asked.clear()
    second = run("tasks", first.state)
    assert {new["_id"], done["_id"]} <= set(second.ids())
    assert len(set(second.ids())) < 15
    for archived in ("false", "true"):
        calls = [query for query in planhat.lists("tasks") if query["isArchived"] == archived]
        assert len(calls) <= 12


# Companies.


def test_lists_that_take_several_companies_are_read_once_for_all(planhat, run):
    for number, company in enumerate("aabbcc"):
        planhat.add("conversations", number, companyId=company)
    out = run("conversations", company_ids=["b", "a", "b"])
    assert [record["companyId"] for record in out.records()] == list("aabb")
    assert planhat.filters("conversations", "companyId") == ["a,b"]


def test_a_list_that_takes_one_company_is_read_whole_for_several(planhat, run):
    for number, company in enumerate("abcabc"):
        planhat.add("campaigns", number, companyId=company)
    out = run("campaigns", company_ids=["b", "a"])
    assert sorted(record["companyId"] for record in out.records()) == list("aabb")
    assert planhat.filters("campaigns", "companyId") == [None]
    assert out.bookmark("campaigns", companyId="a,b")["replication_key"] == "_id"
    one = run("campaigns", company_ids=["c"])
    assert [record["companyId"] for record in one.records()] == ["c", "c"]
    assert planhat.filters("campaigns", "companyId") == [None, "c"]


def test_more_companies_than_a_url_holds_are_chosen_from_the_whole_list(planhat, run, monkeypatch):
    monkeypatch.setattr(companies, "MOST_COMPANIES", 2)
    for number, company in enumerate("abcdabcd"):
        planhat.add("conversations", number, companyId=company)
    out = run("conversations", company_ids=["c", "b", "a"])
    assert sorted(record["companyId"] for record in out.records()) == list("aabbcc")
    assert planhat.filters("conversations", "companyId") == [None]
    (part,) = out.state["bookmarks"]["conversations"]["partitions"]
    assert part["context"]["companyId"].startswith("3 companies, ")
    again = run("conversations", out.state, company_ids=["c", "b", "a"], lookback_minutes=0)
    assert again.ids() == []


def test_a_row_that_moves_to_a_company_already_read_is_not_lost(planhat, run):
    for number in range(40):
        planhat.add("campaigns", number, companyId="ab"[number // 20])
    moving = planhat.rows["campaigns"][30]

    def before(_, query):
        if query["offset"] > 0 or query.get("companyId") == "b":
            moving["companyId"] = "a"

    planhat.before = before
    out = run("campaigns", company_ids=["a", "b"], page_size=10)
    assert moving["companyId"] == "a"
    assert len(set(out.ids())) == 40


def test_the_company_is_asked_for_even_if_it_is_not_selected(planhat, run):
    for number, company in enumerate("abc"):
        planhat.add("campaigns", number, companyId=company, name="n")

    def change(entry):
        for each in entry["metadata"]:
            if each["breadcrumb"] == ["properties", "companyId"]:
                each["metadata"]["selected"] = False

    out = run("campaigns", company_ids=["a", "b"], change=change)
    assert [set(record) for record in out.records()] == [{"_id", "name"}] * 2


@pytest.mark.parametrize("stream", ["campaigns", "conversations"])
def test_a_company_that_is_added_is_read_from_its_beginning(planhat, run, stream):
    for number in range(40):
        planhat.add(stream, number, companyId="ab"[number // 20])
    first = run(stream, company_ids=["b"])
    second = run(stream, first.state, company_ids=["b", "a"])
    # With it come the others.
    assert Counter(record["companyId"] for record in second.records()) == {"a": 20, "b": 20}


@pytest.mark.parametrize("companies", [None, []])
def test_without_company_ids_all_are_read(planhat, run, companies):
    planhat.add("campaigns", 1, companyId="a")
    assert len(run("campaigns", company_ids=companies).ids()) == 1
    assert planhat.filters("campaigns", "companyId") == [None]


# NPS.


def test_nps_answers_of_all_ages_come_with_the_property_tables_names(planhat, run):
    planhat.answered(1, days_ago=4000)
    planhat.answered(2, days_ago=1)
    out = run("nps")
    assert out.ids() == [f"{1:024x}", f"{2:024x}"]
    assert {record["score"] for record in out.records()} == {9}
    assert planhat.filters("nps", "npsExpiryDay") == [lists.ALL_AGES]


def test_an_nps_answers_date_counts_under_either_name(planhat, run):
    for number in range(3):
        row = planhat.answered(number, days_ago=5 - number)
        row["dateAnswered"] = None if number else row["npsDate"]
    first = run("nps", start_date=text_of(datetime.now(UTC) - timedelta(days=9)))
    assert first.bookmark("nps")["replication_key_value"] == row["npsDate"]
    dates = [record["dateAnswered"] for record in first.records()]
    assert dates == [row["npsDate"] for row in planhat.rows["nps"]]


def test_a_later_nps_run_asks_for_the_days_since_the_last_one_and_a_margin(planhat, run):
    for number in range(20):
        planhat.answered(number, days_ago=40 - number, contact="c" * HEX if number < 5 else None)
    first = run("nps")
    planhat.asked.clear()
    new = planhat.answered(99, days_ago=0.01, contact="c" * HEX)
    second = run("nps", first.state)
    # The last answer is 21 days old: its day and the lookback, and one since the window moves.
    assert planhat.filters("nps", "npsExpiryDay") == [23]
    assert second.ids() == [f"{19:024x}", new["npsId"]]


@pytest.fixture
def undated_answers(planhat):
    """NPS answers of which every third has no date."""
    for number in range(30):
        row = planhat.answered(number, days_ago=40 - number)
        if number % 3 == 0:
            row["npsDate"] = None
    return [row["npsId"] for row in planhat.rows["nps"] if row["npsDate"] is None]


def test_an_nps_answer_without_a_date_comes_once_and_again_with_a_rescan(
    planhat, run, undated_answers
):
    first = run("nps")
    assert set(undated_answers) < set(first.ids())
    second = run("nps", first.state)
    # The newest that has a date.
    assert second.ids() == [f"{29:024x}"]
    planhat.rows["nps"][0]["nps"] = 3
    new = planhat.answered(30, days_ago=0)
    new["npsDate"] = None
    odd = planhat.answered(31, days_ago=0)
    odd |= {"npsDate": None, "npsId": "12"}
    third = run("nps", second.state)
    assert sorted(third.ids()) == sorted([f"{29:024x}", new["npsId"], "12"])
    # What has no time in its id comes each time.
    assert sorted(run("nps", third.state).ids()) == sorted([f"{29:024x}", "12"])
    third.state["bookmarks"]["nps"]["full_read_at"] = "2020-01-01T00:00:00.000Z"
    assert set(run("nps", third.state).ids()) == set(planhat.expected_ids("nps"))


@pytest.mark.parametrize("call", range(1, 8))
def test_a_run_killed_amid_new_nps_answers_without_a_date_loses_none(planhat, run, call):
    planhat.answered(0, days_ago=30)
    first = run("nps")
    for number in range(40, 0, -1):
        # The newest ids come first in the order of contacts.
        contact = f"{100 - number:024x}"
        planhat.answered(number, days_ago=1, contact=contact)["npsDate"] = None
    planhat.kill_at(call)
    killed = run("nps", first.state, stop=True, page_size=10, parallel_requests=1)
    planhat.live()
    rest = run("nps", killed.state, page_size=10)
    assert {*killed.ids(), *rest.ids()} == set(planhat.expected_ids("nps"))
    assert len(killed.ids()) + len(rest.ids()) < 40 + 15
    # Of those, at most what was read before the kill comes once more.
    assert len(run("nps", rest.state).ids()) <= 1 + len(killed.ids())


def test_an_id_from_the_future_hides_no_nps_answer_without_a_date(planhat, run):
    _, wrong, new = (planhat.answered(number, days_ago=1) for number in range(3))
    wrong |= {"npsDate": None, "npsId": "f" * 24}
    planhat.rows["nps"].remove(new)
    first = run("nps")
    soon = datetime.now(UTC) + timedelta(minutes=1)
    planhat.rows["nps"].append(new | {"npsDate": None, "npsId": first_id(soon)})
    assert first_id(soon) in run("nps", first.state).ids()


def test_an_nps_start_date_is_asked_for_as_an_age(planhat, run):
    planhat.answered(1, days_ago=12)
    planhat.answered(2, days_ago=2)
    start = text_of(datetime.now(UTC) - timedelta(days=10.5))
    assert run("nps", start_date=start).ids() == [f"{2:024x}"]
    assert planhat.filters("nps", "npsExpiryDay") == [12]


def test_an_nps_start_date_in_the_future_still_asks_for_a_day(planhat, run):
    planhat.answered(1, days_ago=1)
    assert run("nps", start_date="2999-01-01").ids() == []
    assert planhat.filters("nps", "npsExpiryDay") == [1]


# Clocks.


def test_moments_of_a_wrong_clock_in_state_are_told_and_count_as_none(planhat, run, caplog):
    for number in range(40):
        planhat.add("campaigns", number)
    first = run("campaigns")
    state = first.state
    state["bookmarks"]["campaigns"] |= {
        "full_read_at": "2999-01-01T00:00:00.000Z",
        "replication_key_value": "f" * HEX,
    }
    again = run("campaigns", state)
    assert len(again.ids()) == 40
    (told,) = [text for text in caplog.messages if "lie in the future" in text]
    assert told.startswith("campaigns: ")
    assert "full_read_at '2999-01-01T00:00:00.000Z', replication_key_value 'ffff" in told
    assert again.bookmark("campaigns")["full_read_at"] <= text_of(datetime.now(UTC))


def test_now_is_planhats_time_and_costs_no_call_of_its_own(planhat, run):
    planhat.add("campaigns", 1)
    behind = datetime.now(UTC) - timedelta(days=3)
    planhat.clock = ServerClock()
    planhat.before = lambda *_: planhat.clock.learn(format_datetime(behind))
    out = run("campaigns")
    assert out.bookmark("campaigns")["full_read_at"][:16] == text_of(behind)[:16]
    assert [query["limit"] for query in planhat.lists("campaigns")][:5] == [20, 20, 20, 20, 1000]
    calls = len(planhat.asked)
    planhat.asked.clear()
    run("campaigns")
    assert len(planhat.asked) == calls


def test_the_time_is_asked_for_once_more_where_the_samples_have_not_told_it(planhat, run):
    planhat.add("campaigns", 1)
    planhat.clock = ServerClock()
    assert run("campaigns").ids()
    assert [query["limit"] for query in planhat.lists("campaigns")][:6] == [20, 20, 20, 20, 1, 1000]


@pytest.mark.parametrize("key", ["_id", None])
def test_a_task_reopened_meanwhile_is_found_though_this_machines_clock_is_ahead(planhat, run, key):
    """By Planhat's clock it is twenty minutes earlier."""
    behind = timedelta(minutes=20)
    for number in range(6):
        planhat.add("tasks", number, at=number, isArchived=number > 2)
    reopened = planhat.rows["tasks"][4]
    planhat.clock.learn(format_datetime(datetime.now(UTC) - behind))

    def before(_, query):
        if query.get("isArchived") == "true" and reopened["isArchived"]:
            reopened.update(isArchived=False, updatedAt=text_of(datetime.now(UTC) - behind))

    planhat.before = before
    out = run("tasks", key=key, method=None if key else "FULL_TABLE")
    assert reopened["_id"] in out.ids()


# What a run says of itself.


def test_each_stream_ends_with_one_line_of_what_was_done(planhat, run, caplog):
    caplog.set_level("INFO", logger="tap-planhat")

    def said():
        (line,) = [e.getMessage() for e in caplog.records if " done in " in e.getMessage()]
        caplog.clear()
        return line

    for number in range(40):
        planhat.add("campaigns", number)
    first = run("campaigns")
    newest = planhat.rows["campaigns"][39]["_id"]
    line = said()
    assert line.startswith("campaigns: full sync done in ")
    assert ": 40 records, " in line
    assert line.endswith(f", {len(planhat.asked)} calls, bookmark {newest}")
    run("campaigns", first.state)
    line = said()
    assert line.startswith("campaigns: incremental sync done in ")
    assert ": 11 records, " in line
    aged = first.state
    aged["bookmarks"]["campaigns"]["full_read_at"] = "2020-01-01T00:00:00.000Z"
    run("campaigns", aged)
    assert said().startswith("campaigns: rescan done in ")
    run("campaigns", method="FULL_TABLE")
    line = said()
    assert line.startswith("campaigns: full table done in ")
    assert line.endswith(" calls, no bookmark")


def test_a_start_in_the_future_is_told(planhat, run, caplog):
    planhat.add("campaigns", 1)
    out = run("campaigns", start_date="2999-01-01T00:00:00Z")
    assert out.ids() == []
    assert "campaigns: start_date lies in the future: nothing is read" in caplog.text
