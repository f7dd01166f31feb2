"""The four streams over a Planhat in memory: passes, partitions, bookmarks, full tables."""

from __future__ import annotations

import contextlib
import io
import json
import threading
import time
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

import pytest

from planhat_api.dates import to_text as text_of
from planhat_api.errors import PayloadError, SettingsError
from tap_planhat import run as run_module
from tap_planhat.instants import first_id
from tap_planhat.sdk import StreamError
from tap_planhat.tap import TapPlanhat

UTC = timezone.utc
BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
HEX = 24


@dataclass
class Undecoded:
    data: list

    @property
    def size(self):
        return 500 * len(self.data)

    def rows(self):
        return self.data


class Planhat:
    """What the client gives of a small tenant; `before` is called ahead of every list call."""

    def __init__(self):
        self.rows = {"campaigns": [], "conversations": [], "nps": [], "tasks": []}
        self.calls = []
        self.before = lambda resource, query: None  # noqa: ARG005

    def add(self, resource, number, *, at=None, **more):
        """Add a row, made so many minutes after the beginning."""
        made = BEGINNING + timedelta(minutes=number)
        row = {"_id": first_id(made)[:8] + f"{number:016x}", **more}
        if at is not None:
            row["updatedAt"] = text_of(BEGINNING + timedelta(minutes=at))
        self.rows[resource].append(row)
        return row

    def list_rows(self, resource, query, *, retry_timeout=None):
        del retry_timeout
        self.before(resource.name, query)
        self.calls.append((resource.name, dict(query)))
        rows = [row for row in self.rows[resource.name] if self.shows(row, query)]
        by = query["sort"].lstrip("-")
        rows.sort(key=lambda row: row.get(by) or "", reverse=query["sort"].startswith("-"))
        rows = rows[query["offset"] : query["offset"] + query["limit"]]
        if "select" in query:
            names = {"_id", *query["select"].split(",")}
            return [{name: row[name] for name in row if name in names} for row in rows]
        return [dict(row) for row in rows]

    def list_page(self, resource, query, *, retry_timeout=None):
        return Undecoded(self.list_rows(resource, query, retry_timeout=retry_timeout))

    def shows(self, row, query):
        if "isArchived" in query:
            wanted = query["isArchived"] == "true"
            if bool(row.get("isArchived")) != wanted:
                return False
        if "companyId" in query:
            company = row.get("companyId") or row.get("cId")
            if company not in query["companyId"].split(","):
                return False
        if "npsExpiryDay" in query and row.get("npsDate"):
            oldest = datetime.now(UTC) - timedelta(days=query["npsExpiryDay"])
            return row["npsDate"] >= text_of(oldest)
        return True

    def lists(self, resource):
        """The queries for pages of a list, without looks and probes."""
        return [query for name, query in self.calls if name == resource]


@dataclass
class Output:
    messages: list
    error: BaseException | None

    def records(self, stream=None):
        return [
            message["record"]
            for message in self.messages
            if message["type"] == "RECORD" and stream in (None, message["stream"])
        ]

    def ids(self, stream=None):
        return [record["_id"] for record in self.records(stream)]

    @property
    def kinds(self):
        return [message["type"] for message in self.messages]

    @property
    def states(self):
        return [message["value"] for message in self.messages if message["type"] == "STATE"]

    @property
    def state(self):
        return self.states[-1]

    def bookmark(self, stream, **context):
        mark = self.state["bookmarks"][stream]
        if not context:
            return {name: value for name, value in mark.items() if name != "partitions"}
        (found,) = [each for each in mark["partitions"] if each["context"] == context]
        return found


@pytest.fixture
def planhat():
    return Planhat()


@pytest.fixture
def run(planhat):
    """Run the tap for a stream."""

    def run_it(stream, state=None, *, key=None, method=None, change=None, stop=None, **settings):
        tap = make_tap(planhat, settings)
        catalog = json.loads(tap.catalog_json_text)
        for entry in catalog["streams"]:
            root = next(each for each in entry["metadata"] if not each["breadcrumb"])["metadata"]
            root["selected"] = entry["tap_stream_id"] == stream
            if root["selected"]:
                entry["replication_key"] = key or entry["replication_key"]
                entry["replication_method"] = method or "INCREMENTAL"
                if method == "FULL_TABLE":
                    entry["replication_key"] = None
                if change:
                    change(entry)
        tap = make_tap(planhat, settings, catalog=catalog, state=json.loads(json.dumps(state)))
        error = None
        with contextlib.redirect_stdout(io.StringIO()) as output:
            try:
                tap.sync_all()
            except Stop:
                pass
            except BaseException as caught:  # noqa: BLE001
                error = caught
        messages = [json.loads(line) for line in output.getvalue().splitlines()]
        if error is not None and stop is None:
            raise error
        return Output(messages, error)

    return run_it


class Stop(BaseException):
    """The process is killed."""


def make_tap(planhat, settings, **more):
    tap = TapPlanhat(config={"api_token": "secret", **settings}, **more)
    tap.__dict__["client"] = planhat
    return tap


def kill_at(planhat, call):
    """Kill the run at its so-manieth list call; return what counts the calls before it."""
    calls = iter(range(call))

    def before(*_):
        if next(calls, None) is None:
            raise Stop

    planhat.before = before
    return calls


def live(planhat):
    planhat.before = lambda *_: None


def filters(planhat, resource, name):
    """The values a filter had, in order, repeats left out."""
    return list(dict.fromkeys(query.get(name) for query in planhat.lists(resource)))


# Passes and partitions.


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
    assert out.bookmark("tasks") == {}
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
        kill_at(planhat, call)
        killed = run("tasks", key=key, method=method, stop=True)
        if any(query.get("isArchived") == "true" for query in planhat.lists("tasks")):
            break
    live(planhat)
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
            if each["breadcrumb"] == ["properties", "updatedAt"]:
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
    kill_at(planhat, 6)
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
        undated = {row["_id"] for row in planhat.rows["tasks"] if "updatedAt" not in row}
        assert undated <= set(run("tasks", out.state).ids())


def test_undated_tasks_beyond_what_is_remembered_come_twice_rather_than_not(
    planhat, run, monkeypatch
):
    monkeypatch.setattr(run_module, "MOST_UNDATED", 0)
    planhat.add("tasks", 1)
    planhat.add("tasks", 2, at=2)
    assert len(run("tasks").ids()) == 3


def test_a_second_run_brings_what_is_new_in_either_list(planhat, run):
    for number in range(300):
        planhat.add("tasks", number, at=number, isArchived=number % 2 == 0)
    first = run("tasks")
    new = planhat.add("tasks", 1000, at=1000)
    done = planhat.rows["tasks"][7]
    done.update(isArchived=True, updatedAt=text_of(BEGINNING + timedelta(minutes=1001)))
    planhat.calls.clear()
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
    assert filters(planhat, "conversations", "companyId") == ["a,b"]


def test_lists_that_take_one_company_are_read_one_by_one(planhat, run):
    for number, company in enumerate("abcabc"):
        planhat.add("campaigns", number, companyId=company)
    out = run("campaigns", company_ids=["b", "a"])
    assert sorted(record["companyId"] for record in out.records()) == list("aabb")
    assert filters(planhat, "campaigns", "companyId") == ["a", "b"]
    assert out.bookmark("campaigns", companyId="a")["replication_key"] == "_id"


def test_more_companies_than_a_url_holds_are_read_in_several_lists(planhat, run, monkeypatch):
    monkeypatch.setattr(run_module, "MOST_COMPANIES", 2)
    for number, company in enumerate("abcabc"):
        planhat.add("conversations", number, companyId=company)
    out = run("conversations", company_ids=["c", "b", "a"])
    assert sorted(record["companyId"] for record in out.records()) == list("aabbcc")
    assert filters(planhat, "conversations", "companyId") == ["a,b", "c"]


@pytest.mark.parametrize(("stream", "again"), [("campaigns", 11), ("conversations", 20)])
def test_a_company_that_is_added_is_read_from_its_beginning(planhat, run, stream, again):
    for number in range(40):
        planhat.add(stream, number, companyId="ab"[number // 20])
    first = run(stream, company_ids=["b"])
    second = run(stream, first.state, company_ids=["b", "a"])
    read = Counter(record["companyId"] for record in second.records())
    # With it come those that share its list.
    assert (read["a"], read["b"]) == (20, again)


@pytest.mark.parametrize("companies", [None, []])
def test_without_company_ids_all_are_read(planhat, run, companies):
    planhat.add("campaigns", 1, companyId="a")
    assert len(run("campaigns", company_ids=companies).ids()) == 1
    assert filters(planhat, "campaigns", "companyId") == [None]


# NPS.


def answer(planhat, number, *, days_ago, contact=None, **more):
    date = text_of(datetime.now(UTC) - timedelta(days=days_ago))
    row = planhat.add("nps", number, npsId=f"{number:024x}", npsDate=date, nps=9, **more)
    row["_id"] = contact or row["_id"]
    return row


def test_nps_answers_of_all_ages_come_with_the_property_tables_names(planhat, run):
    answer(planhat, 1, days_ago=4000)
    answer(planhat, 2, days_ago=1)
    out = run("nps")
    assert out.ids() == [f"{1:024x}", f"{2:024x}"]
    assert {record["score"] for record in out.records()} == {9}
    assert filters(planhat, "nps", "npsExpiryDay") == [run_module.ALL_AGES]


def test_an_nps_answers_date_counts_under_either_name(planhat, run):
    for number in range(3):
        row = answer(planhat, number, days_ago=5 - number)
        row["dateAnswered"] = None if number else row["npsDate"]
    first = run("nps", start_date=text_of(datetime.now(UTC) - timedelta(days=9)))
    assert first.bookmark("nps")["replication_key_value"] == row["npsDate"]
    dates = [record["dateAnswered"] for record in first.records()]
    assert dates == [row["npsDate"] for row in planhat.rows["nps"]]


def test_a_later_nps_run_asks_for_the_days_since_the_last_one_and_a_margin(planhat, run):
    for number in range(20):
        answer(planhat, number, days_ago=40 - number, contact="c" * HEX if number < 5 else None)
    first = run("nps")
    planhat.calls.clear()
    new = answer(planhat, 99, days_ago=0.01, contact="c" * HEX)
    second = run("nps", first.state)
    # The last answer is 21 days old: its day and the lookback, and one since the window moves.
    assert filters(planhat, "nps", "npsExpiryDay") == [23]
    assert second.ids() == [f"{19:024x}", new["npsId"]]


def test_an_nps_start_date_is_asked_for_as_an_age(planhat, run):
    answer(planhat, 1, days_ago=12)
    answer(planhat, 2, days_ago=2)
    start = text_of(datetime.now(UTC) - timedelta(days=10.5))
    assert run("nps", start_date=start).ids() == [f"{2:024x}"]
    assert filters(planhat, "nps", "npsExpiryDay") == [12]


def test_an_nps_start_date_in_the_future_still_asks_for_a_day(planhat, run):
    answer(planhat, 1, days_ago=1)
    assert run("nps", start_date="2999-01-01").ids() == []
    assert filters(planhat, "nps", "npsExpiryDay") == [1]


# Keys and methods.


@pytest.mark.parametrize("resource", ["campaigns", "conversations"])
def test_edits_come_by_updated_at_where_that_is_chosen(planhat, run, resource):
    for number in range(40):
        planhat.add(resource, number, at=number)
    first = run(resource, key="updatedAt")
    planhat.rows[resource][3]["updatedAt"] = text_of(BEGINNING + timedelta(days=9))
    second = run(resource, first.state, key="updatedAt")
    assert planhat.rows[resource][3]["_id"] in second.ids()
    assert len(second.ids()) <= 12
    assert second.bookmark(resource)["replication_key"] == "updatedAt"


def test_a_change_of_key_reads_everything_once_and_then_goes_on_by_the_new_one(planhat, run):
    for number in range(40):
        planhat.add("campaigns", number, at=number)
    by_id = run("campaigns")
    by_time = run("campaigns", by_id.state, key="updatedAt")
    assert len(by_time.ids()) == 40
    assert len(run("campaigns", by_time.state, key="updatedAt").ids()) == 11


@pytest.mark.parametrize(
    ("stream", "key", "method", "words"),
    [
        ("nps", "_id", None, "nps cannot be read by _id: choose replication key dateAnswered, or"),
        ("tasks", "status", None, "by status: choose replication key updatedAt or _id, or"),
        ("tasks", None, "LOG_BASED", "tasks cannot be read as LOG_BASED: choose"),
    ],
)
def test_a_key_or_method_the_stream_does_not_have_is_one_clear_error(
    run, stream, key, method, words
):
    def change(entry):
        entry["replication_key"] = key

    with pytest.raises(StreamError) as caught:
        run(stream, method=method, change=change)
    assert isinstance(caught.value.__cause__, SettingsError)
    assert words in str(caught.value)
    assert "in the catalog" in str(caught.value)


def test_incremental_without_a_key_in_the_catalog_means_the_default_one(planhat, run):
    planhat.add("campaigns", 1)

    def change(entry):
        entry["replication_key"] = None
        for each in entry["metadata"]:
            each["metadata"].pop("replication-key", None)

    out = run("campaigns", change=change)
    assert out.bookmark("campaigns")["replication_key"] == "_id"
    (schema,) = [message for message in out.messages if message["type"] == "SCHEMA"]
    assert schema["bookmark_properties"] == ["_id"]


def test_a_catalog_names_every_valid_key_and_the_default(planhat):
    catalog = json.loads(make_tap(planhat, {}).catalog_json_text)
    found = {}
    for entry in catalog["streams"]:
        root = next(each for each in entry["metadata"] if not each["breadcrumb"])["metadata"]
        found[entry["tap_stream_id"]] = root["valid-replication-keys"]
        assert entry["replication_key"] == root["valid-replication-keys"][0]
        assert entry["key_properties"] == ["_id"]
    assert found == {
        "campaigns": ["_id", "updatedAt"],
        "conversations": ["_id", "updatedAt"],
        "nps": ["dateAnswered"],
        "tasks": ["updatedAt", "_id"],
    }


# Selection.


def test_a_deselected_key_is_fetched_but_not_emitted(planhat, run):
    for number in range(40):
        planhat.add("campaigns", number, at=number, name="n", campaignPurpose="p")

    def change(entry):
        for each in entry["metadata"]:
            if each["breadcrumb"] in (["properties", "updatedAt"], ["properties", "name"]):
                each["metadata"]["selected"] = False

    first = run("campaigns", key="updatedAt", change=change)
    assert all(set(record) == {"_id", "campaignPurpose"} for record in first.records())
    for query in planhat.lists("campaigns"):
        names = query["select"].split(",")
        assert {"_id", "updatedAt"} <= set(names)
        assert "name" not in names
    second = run("campaigns", first.state, key="updatedAt", change=change)
    assert len(second.ids()) == 11


def test_a_catalog_with_fewer_properties_brings_those(planhat, run):
    planhat.add("tasks", 1, at=1, action="call", status="x")

    def change(entry):
        properties = entry["schema"]["properties"]
        entry["schema"]["properties"] = {
            name: properties[name] for name in ("_id", "action", "updatedAt")
        }

    out = run("tasks", change=change)
    assert [set(record) for record in out.records()] == [{"_id", "action", "updatedAt"}]
    assert "status" not in planhat.lists("tasks")[0]["select"]


def test_a_column_that_only_old_rows_hold_comes_though_lists_hide_it(planhat, run):
    old = planhat.add("campaigns", 1, campaignPurpose="precious")
    for number in range(2, 40):
        planhat.add("campaigns", number)
    show = planhat.list_rows

    def hiding(resource, query, **options):
        rows = show(resource, query, **options)
        if "select" not in query:
            for row in rows:
                row.pop("campaignPurpose", None)
        return rows

    planhat.list_rows = hiding
    records = {record["_id"]: record for record in run("campaigns").records()}
    assert records[old["_id"]]["campaignPurpose"] == "precious"


def test_how_to_ask_is_learned_from_the_first_list_that_has_rows(planhat, run):
    planhat.add("tasks", 1, at=1, isArchived=True)
    run("tasks")
    samples = [query for query in planhat.lists("tasks") if query["limit"] == 20]
    assert [query["isArchived"] for query in samples] == ["false", "false", "true", "true"]


# Full tables.


def versions(out):
    return {message.get("version") for message in out.messages if message["type"] == "RECORD"}


@pytest.mark.parametrize("stream", ["campaigns", "nps", "tasks"])
def test_a_full_table_is_activated_once_after_everything(planhat, run, stream):
    for number in range(30):
        if stream == "nps":
            answer(planhat, number, days_ago=number)
        else:
            planhat.add(stream, number, at=number, isArchived=number % 2 == 0)
    out = run(stream, method="FULL_TABLE", emit_activate_version_messages=True, page_size=10)
    assert out.kinds.count("ACTIVATE_VERSION") == 1
    assert set(out.kinds[out.kinds.index("ACTIVATE_VERSION") + 1 :]) <= {"STATE"}
    (activated,) = [each for each in out.messages if each["type"] == "ACTIVATE_VERSION"]
    assert versions(out) == {activated["version"]}
    assert set(Counter(out.ids()).values()) == {1}
    assert len(out.ids()) == 30
    assert not {"full_table", "reading", "full_read_at"} & {
        name
        for mark in (out.bookmark(stream), *out.state["bookmarks"][stream].get("partitions", ()))
        for name in mark
    }


@pytest.mark.parametrize("stream", ["campaigns", "nps", "tasks"])
def test_a_full_table_killed_anywhere_goes_on_with_the_same_version(planhat, run, stream):
    for number in range(60):
        if stream == "nps":
            answer(planhat, number, days_ago=number)
        else:
            planhat.add(stream, number, at=number, isArchived=number % 2 == 0)
    settings = {"emit_activate_version_messages": True, "page_size": 10, "parallel_requests": 1}
    again = 0
    for call in range(1, 60):
        kill_at(planhat, call)
        killed = run(stream, method="FULL_TABLE", stop=True, **settings)
        live(planhat)
        if "ACTIVATE_VERSION" in killed.kinds:
            break
        state = killed.state if killed.states else None
        if state and "full_table" in state["bookmarks"][stream]:
            # Long ago, so that a version of its own would differ.
            marks = json.dumps(state)
            began = state["bookmarks"][stream]["full_table"]["began"]
            state = json.loads(marks.replace(began, "2026-01-05T00:00:00.000Z"))
        rest = run(stream, state, method="FULL_TABLE", **settings)
        assert {*killed.ids(), *rest.ids()} >= set(expected_ids(planhat, stream))
        assert rest.kinds.count("ACTIVATE_VERSION") == 1
        (activated,) = [each for each in rest.messages if each["type"] == "ACTIVATE_VERSION"]
        if state and "full_table" in state["bookmarks"][stream]:
            assert activated["version"] == 1767571200
        assert versions(rest) <= {activated["version"]}
        again = max(again, len(killed.ids()) + len(rest.ids()))
    assert call > 5
    assert again < 60 + 15


def expected_ids(planhat, stream):
    return [row.get("npsId") or row["_id"] for row in planhat.rows[stream]]


def test_a_full_table_without_activation_has_no_versions(planhat, run):
    planhat.add("campaigns", 1)
    out = run("campaigns", method="FULL_TABLE")
    assert versions(out) == {None}
    assert "ACTIVATE_VERSION" not in out.kinds


def test_a_full_table_is_read_whole_every_time(planhat, run):
    for number in range(30):
        planhat.add("campaigns", number)
    first = run("campaigns", method="FULL_TABLE")
    assert len(run("campaigns", first.state, method="FULL_TABLE").ids()) == 30


def test_a_full_table_given_up_for_incremental_is_forgotten(planhat, run):
    for number in range(60):
        planhat.add("campaigns", number)
    kill_at(planhat, 5)
    killed = run("campaigns", method="FULL_TABLE", stop=True, page_size=10)
    live(planhat)
    assert "full_table" in killed.bookmark("campaigns")
    after = run("campaigns", killed.state)
    assert "full_table" not in after.bookmark("campaigns")
    assert len(after.ids()) == 60


# Interrupted runs.


@pytest.mark.parametrize("stream", ["campaigns", "nps", "tasks", "conversations"])
def test_a_run_killed_at_any_call_goes_on_from_its_last_state(planhat, run, stream):
    for number in range(120):
        if stream == "nps":
            answer(planhat, number, days_ago=number)
        else:
            planhat.add(stream, number, at=20 * number, isArchived=number % 2 == 0)
    expected = set(expected_ids(planhat, stream))
    settings = {"page_size": 10, "parallel_requests": 1}
    repeated = 0
    for call in range(1, 80):
        calls = kill_at(planhat, call)
        killed = run(stream, stop=True, **settings)
        live(planhat)
        if next(calls, None) is not None:
            # It ended before.
            assert call > 120 // 10
            break
        rest = run(stream, killed.state if killed.states else None, **settings)
        assert {*killed.ids(), *rest.ids()} == expected
        repeated = max(repeated, len(killed.ids()) + len(rest.ids()) - 120)
    # A page, and the lookback of each list.
    assert repeated <= 20


def test_the_last_line_of_a_run_is_its_state(planhat, run):
    planhat.add("campaigns", 1)
    out = run("campaigns")
    assert out.kinds[-1] == "STATE"
    assert "reading" not in out.bookmark("campaigns")
    assert out.bookmark("campaigns")["full_read_at"] <= text_of(datetime.now(UTC))


def test_an_api_error_ends_the_stream_with_its_cause(planhat, run):
    planhat.add("campaigns", 1)

    def refuse(*_):
        raise PayloadError("GET /campaigns", "400 sort")

    planhat.before = refuse
    with pytest.raises(StreamError, match="GET /campaigns: 400 sort"):
        run("campaigns")


def test_a_long_whole_reading_tells_how_far_it_is(planhat, run, monkeypatch, caplog):
    monkeypatch.setattr("tap_planhat.progress.INTERVAL", 0)
    caplog.set_level("INFO", logger="tap-planhat")
    for number in range(3000):
        planhat.add("campaigns", number)
    run("campaigns", page_size=1000)
    told = [entry.getMessage() for entry in caplog.records if "in this list" in entry.message]
    assert told
    assert all(text.startswith("campaigns: ") for text in told)
    assert "100% of about 3,000" in told[-1]


def test_a_progress_line_that_cannot_tell_the_share_costs_the_reading_nothing(
    planhat, run, monkeypatch, caplog
):
    monkeypatch.setattr("tap_planhat.progress.INTERVAL", 0)
    caplog.set_level("INFO", logger="tap-planhat")
    for number in range(300):
        planhat.add("campaigns", number)

    def refuse_far(_, query):
        if query["offset"] > 300:
            raise PayloadError("GET /campaigns", "400 offset")

    planhat.before = refuse_far
    assert len(run("campaigns", page_size=100).ids()) == 300
    assert "in this list" not in caplog.text
