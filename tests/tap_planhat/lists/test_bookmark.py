"""What a run reads of a list, and what the bookmark says afterwards."""

from __future__ import annotations

import json
import logging
import random
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from planhat_api.dates import instant, to_moment
from planhat_api.dates import to_text as text_of
from planhat_api.paging import CannotSortError, Position
from tap_planhat.instants import first_id
from tap_planhat.lists.bookmark import (
    ListSpec,
    ReadPlan,
    ReadSettings,
    discard_impossible,
    plan_read,
)
from tap_planhat.lists.reading import read

NOW = datetime(2026, 5, 17, 12, 0, tzinfo=timezone.utc)
SETTINGS = ReadSettings(
    now=NOW,
    limit=10,
    widest=20,
    lookback=timedelta(minutes=10),
    rescan_after=timedelta(days=1),
)
HOUR = timedelta(hours=1)


def a_list(key, date_key=None, *, by_id=False, unique_ids=True):
    date_key = date_key or key
    return ListSpec(
        name="things",
        key=key,
        date_key=date_key,
        key_of=(lambda row: row["_id"]) if date_key == "_id" else lambda row: instant(row["at"]),
        identity=lambda row: row.get("nid") or row["_id"],
        unique_ids=unique_ids,
        by_id=by_id,
        shows_edits=key == "at",
    )


BY_ID = a_list("_id")
BY_TIME = a_list("at")
ANSWERS = a_list("at", by_id=True, unique_ids=False)
ALL_BY_ID = a_list(None, "_id")
ALL_BY_TIME = a_list(None, "at")
ANSWERS = replace(ANSWERS, shows_edits=False)


def ago(**spans):
    return text_of(NOW - timedelta(**spans))


def id_ago(**spans):
    return first_id(NOW - timedelta(**spans))


def mark(key, value, **more):
    return {"replication_key": key, "replication_key_value": value, **more}


READING = {
    "key": "_id",
    "whole": True,
    "began": ago(days=2),
    "since": "",
    "last": id_ago(days=9),
    "offset": 70,
    "newest": "",
}


@pytest.fixture(scope="session")
def list_of(kit):
    """Make a list of rows, sorted by whatever is asked for unless it ignores the order of `at`."""

    def make(rows=(), *, ignores_order=False):
        ignores = "order, statically" if ignores_order else "nothing"
        return kit.changing_list(0, rows=list(rows), ignores=ignores, ignores_only="at")

    return make


def rows_made(count, *, every=timedelta(minutes=1), until=NOW - HOUR):
    """Rows made one after the other, each changed when it was made."""
    moments = [until - every * (count - 1 - number) for number in range(count)]
    return [
        {"_id": first_id(moment)[:8] + f"{number:016x}", "at": text_of(moment)}
        for number, moment in enumerate(moments)
    ]


def steps_of(what, things, bookmark=None, settings=SETTINGS):
    bookmark = bookmark or {}
    return list(read(what, bookmark, settings, things.answer, plan_read(what, bookmark, settings)))


def ids(steps):
    return [row["_id"] for step in steps for row in step.rows]


# What is planned.


@pytest.mark.parametrize("what", [BY_ID, BY_TIME, ANSWERS, ALL_BY_ID, ALL_BY_TIME])
def test_without_a_bookmark_everything_is_read(what):
    assert plan_read(what, {}, SETTINGS) == ReadPlan(
        since="",
        believed="",
        full=True,
        by_key=what in (BY_ID, BY_TIME, ALL_BY_ID),
        began=text_of(NOW),
        start=Position(),
    )


@pytest.mark.parametrize(
    ("what", "bookmark", "since"),
    [
        (BY_ID, mark("_id", id_ago(hours=1)), id_ago(hours=1, minutes=10)),
        (BY_TIME, mark("at", ago(hours=1)), ago(hours=1, minutes=10)),
        (BY_TIME, mark("at", "2026-05-17T11:00:00Z"), ago(hours=1, minutes=10)),
        (ANSWERS, mark("at", ago(hours=1)), ago(hours=1, minutes=10)),
        (BY_ID, mark("_id", "t1"), "t1"),
    ],
)
def test_a_bookmark_is_gone_on_from_a_little_before_it(what, bookmark, since):
    found = plan_read(what, {**bookmark, "full_read_at": ago(hours=2), "offset": 70}, SETTINGS)
    assert (found.since, found.full) == (since, False)
    by_id = what is ANSWERS
    assert found.start == (Position() if by_id else Position(since, offset=70))


@pytest.mark.parametrize(
    "bookmark",
    [
        mark("_id", id_ago(hours=1)),
        mark("other", ago(hours=1)),
        mark("at", None),
        mark("at", 7),
        mark("at", ""),
        mark("at", "undefined"),
        mark("at", "2026-02-31T00:00:00.000Z"),
        {"replication_key_value": ago(hours=1)},
    ],
)
def test_a_bookmark_of_another_key_or_that_is_no_date_counts_as_none(bookmark):
    found = plan_read(BY_TIME, {**bookmark, "offset": 70}, SETTINGS)
    assert (found.since, found.full, found.start) == ("", True, Position())


@pytest.mark.parametrize(
    ("what", "start", "bookmark", "since"),
    [
        (BY_TIME, ago(days=3), None, ago(days=3)),
        (BY_ID, ago(days=3), None, id_ago(days=3)),
        (ANSWERS, ago(days=3), None, ago(days=3)),
        (ALL_BY_ID, ago(days=3), None, id_ago(days=3)),
        (ALL_BY_TIME, ago(days=3), None, ago(days=3)),
        (BY_TIME, ago(days=3), ago(days=1), ago(days=1, minutes=10)),
        (BY_TIME, ago(hours=3), ago(days=1), ago(hours=3)),
        (BY_TIME, text_of(NOW + HOUR), None, text_of(NOW + HOUR)),
    ],
)
def test_a_start_date_or_the_bookmark_holds_whichever_is_later(what, start, bookmark, since):
    settings = replace(SETTINGS, start_date=datetime.fromisoformat(start.replace("Z", "+00:00")))
    found = plan_read(what, mark("at", bookmark) if bookmark else {}, settings)
    assert (found.since, found.full) == (since, bookmark is None)
    assert found.start.value == (since if found.by_key else "")


@pytest.mark.parametrize(
    ("what", "read_at", "after", "due"),
    [
        (BY_ID, ago(hours=23), timedelta(days=1), False),
        (BY_ID, ago(days=1), timedelta(days=1), True),
        (BY_ID, ago(days=900), None, False),
        (BY_ID, None, timedelta(days=1), True),
        (BY_ID, "undefined", timedelta(days=1), True),
        (BY_ID, None, None, False),
        (ANSWERS, ago(days=2), timedelta(days=1), True),
        (BY_TIME, ago(days=900), timedelta(days=1), False),
        (BY_TIME, None, timedelta(days=1), False),
    ],
)
def test_a_whole_reading_is_due_where_edits_do_not_show(what, read_at, after, due):
    value = id_ago(hours=1) if what is BY_ID else ago(hours=1)
    bookmark = mark(what.key, value, full_read_at=read_at, offset=70)
    found = plan_read(what, bookmark, replace(SETTINGS, rescan_after=after))
    assert found.full is due
    assert (found.since == "") is due
    assert found.start.offset == (None if due or what is ANSWERS else 70)


def test_a_reading_by_id_that_is_gone_on_with_looks_for_ids_minted_late():
    """They are at most a lookback older than what came out before the run was stopped."""
    late = READING | {"last": id_ago(days=2, minutes=3)}
    assert plan_read(BY_ID, {"reading": late}, SETTINGS).start == Position(
        id_ago(days=2, minutes=10), offset=70
    )
    odd = READING | {"last": "t0123"}
    assert plan_read(BY_ID, {"reading": odd}, SETTINGS).start == Position("t0123", offset=70)


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("what", [BY_ID, BY_TIME, ANSWERS, ALL_BY_ID])
def test_an_unfinished_reading_is_gone_on_with(what, whole):
    reading = {**READING, "key": what.key, "whole": whole, "since": "x", "newest": "y"}
    assert plan_read(what, {"reading": reading}, SETTINGS) == ReadPlan(
        since="x",
        believed="",
        full=whole,
        by_key=what in (BY_ID, ALL_BY_ID),
        began=ago(days=2),
        start=Position(READING["last"], offset=70),
        newest="y",
    )


def test_an_unfinished_reading_by_another_key_is_given_up(list_of):
    assert plan_read(BY_TIME, {"reading": READING}, SETTINGS).start == Position()
    assert plan_read(ALL_BY_ID, {"reading": READING}, SETTINGS).began == text_of(NOW)
    assert plan_read(BY_ID, {"reading": {**READING, "key": None}}, SETTINGS).start == Position()
    (*_, last) = steps_of(BY_TIME, list_of(rows_made(3)), {"reading": READING})
    assert "reading" not in last.bookmark


# What is read, and where that leaves the bookmark.


@pytest.mark.parametrize("what", [BY_ID, BY_TIME, ANSWERS, ALL_BY_ID, ALL_BY_TIME])
@pytest.mark.parametrize("count", [0, 1, 9, 10, 95])
def test_a_first_reading_brings_every_row_once(list_of, what, count):
    rows = rows_made(count)
    steps = steps_of(what, list_of(rows))
    assert ids(steps) == [row["_id"] for row in rows]
    last = steps[-1].bookmark
    assert "reading" not in last
    assert (last.get("full_read_at") == text_of(NOW)) is not what.shows_edits
    key = "_id" if what.date_key == "_id" else "at"
    assert last.get("replication_key_value") == (rows[-1][key] if rows and what.key else None)


def test_along_the_key_the_bookmark_moves_with_every_batch(list_of):
    rows = rows_made(95)
    steps = steps_of(BY_TIME, list_of(rows))
    assert len(steps) > 9
    for step in (step for step in steps if step.rows):
        assert step.bookmark["replication_key_value"] == step.rows[-1]["at"]
        assert step.bookmark["offset"] == step.position.offset
        assert "reading" not in step.bookmark


def test_a_whole_reading_by_id_says_how_far_it_came_until_its_end(list_of):
    steps = steps_of(BY_ID, list_of(rows_made(95)))
    for step in (step for step in steps if step.rows):
        assert step.bookmark["reading"] == {
            "key": "_id",
            "whole": True,
            "began": text_of(NOW),
            "since": "",
            "last": step.rows[-1]["_id"],
            "offset": step.position.offset,
            "newest": "",
        }
        assert "full_read_at" not in step.bookmark


def test_by_id_the_bookmark_moves_at_the_end_only(list_of):
    rows = rows_made(95)
    steps = steps_of(ANSWERS, list_of(rows), mark("at", ago(days=2)))
    assert len(steps) > 9
    for step in (step for step in steps if step.rows):
        assert step.bookmark["replication_key_value"] == ago(days=2)
        assert step.bookmark["reading"]["newest"] == step.rows[-1]["at"]
    assert steps[-1].bookmark["replication_key_value"] == rows[-1]["at"]


def test_an_incremental_run_brings_what_is_new_and_the_lookback(list_of):
    rows = rows_made(95)
    for what in (BY_ID, BY_TIME, ANSWERS):
        first = steps_of(what, list_of(rows))[-1].bookmark
        added = rows_made(5, until=NOW - timedelta(minutes=1))
        things = list_of(rows + added)
        steps = steps_of(what, things, json.loads(json.dumps(first)))
        # Ten minutes back, both ends counted.
        assert ids(steps) == [row["_id"] for row in [*rows[-11:], *added]]
        if what is not ANSWERS:
            assert len(things.requests) <= 4


def test_an_incremental_run_keeps_what_it_does_not_touch(list_of):
    before = mark("_id", id_ago(minutes=90), full_read_at=ago(hours=5), context={"a": 1})
    after = steps_of(BY_ID, list_of(rows_made(5)), before)[-1].bookmark
    assert (after["full_read_at"], after["context"]) == (ago(hours=5), {"a": 1})


@pytest.mark.parametrize("what", [BY_ID, BY_TIME])
def test_a_bookmark_moves_on_by_the_key_that_is_chosen_now(list_of, what):
    rows = rows_made(30)
    other = mark("at", rows[3]["at"]) if what is BY_ID else mark("_id", rows[3]["_id"])
    steps = steps_of(what, list_of(rows), other)
    assert len(ids(steps)) == 30
    assert steps[-1].bookmark["replication_key"] == what.key
    assert steps[-1].bookmark["replication_key_value"] == rows[-1][what.key]


@pytest.mark.parametrize("what", [BY_ID, BY_TIME, ANSWERS])
def test_a_bookmark_never_moves_back(list_of, what):
    rows = rows_made(30, until=NOW - timedelta(days=3))
    value = id_ago(days=1) if what is BY_ID else ago(days=1)
    bookmark = mark(what.key, value, full_read_at=ago(days=2))
    for step in steps_of(what, list_of(rows), bookmark):
        assert step.bookmark["replication_key_value"] == value


@pytest.mark.parametrize("what", [BY_ID, BY_TIME, ANSWERS])
def test_a_bookmark_never_lies_in_the_future(list_of, what):
    rows = rows_made(30)
    late = {"_id": "fff" + "0" * 21, "at": "2999-01-01T00:00:00.000Z"}
    steps = steps_of(what, list_of([*rows, late]))
    assert len(ids(steps)) == 31
    values = [step.bookmark.get("replication_key_value", "") for step in steps]
    assert max(values) <= (first_id(NOW) if what is BY_ID else text_of(NOW))


def test_by_id_a_wrong_date_does_not_move_the_bookmark_at_all(list_of):
    rows = rows_made(30)
    rows[3]["at"] = "2999-01-01T00:00:00.000Z"
    steps = steps_of(ANSWERS, list_of(rows))
    assert steps[-1].bookmark["replication_key_value"] == rows[-1]["at"]


@pytest.mark.parametrize("blank", [None, "", "undefined"])
def test_rows_without_a_date_come_on_every_run(list_of, blank):
    rows = rows_made(30)
    blanks = [{"_id": f"00{number:022x}", "at": blank and ""} for number in range(4)]
    things = list_of([*blanks, *rows])
    bookmark = steps_of(BY_TIME, things)[-1].bookmark
    assert bookmark["replication_key_value"] == rows[-1]["at"]
    for what in (BY_TIME, ANSWERS):
        again = ids(steps_of(what, things, bookmark | {"full_read_at": ago()}))
        assert sorted(again) == sorted(row["_id"] for row in [*blanks, *rows[-11:]])


def test_dates_of_odd_precision_and_zone_are_compared_as_time(list_of):
    rows = [
        {"_id": "1", "at": "2026-05-17T10:00:00Z"},
        {"_id": "2", "at": "2026-05-17T10:00:00.5Z"},
        {"_id": "3", "at": "2026-05-17T12:30:00.123456+02:00"},
    ]
    bookmark = steps_of(ANSWERS, list_of(rows))[-1].bookmark
    assert bookmark["replication_key_value"] == "2026-05-17T10:30:00.123Z"
    assert ids(steps_of(ANSWERS, list_of(rows), bookmark | {"full_read_at": ago()})) == ["3"]


def test_full_read_at_is_when_the_reading_began_even_in_an_earlier_run(list_of):
    rows = rows_made(95)
    things = list_of(rows)
    first = list(
        islice(read(BY_ID, {}, SETTINGS, things.answer, plan_read(BY_ID, {}, SETTINGS)), 4)
    )
    stopped = json.loads(json.dumps(first[-1].bookmark))
    later = replace(SETTINGS, now=NOW + 5 * HOUR)
    rest = steps_of(BY_ID, things, stopped, later)
    assert ids(first)[:-1] + ids(rest) == [row["_id"] for row in rows]
    assert rest[-1].bookmark["full_read_at"] == text_of(NOW)


@pytest.mark.parametrize("what", [BY_ID, BY_TIME, ANSWERS, ALL_BY_ID, ALL_BY_TIME])
def test_a_stopped_reading_goes_on_where_it_was(list_of, what):
    rows = rows_made(500)
    things = list_of(rows)
    first = list(islice(read(what, {}, SETTINGS, things.answer, plan_read(what, {}, SETTINGS)), 30))
    rest = steps_of(what, things, json.loads(json.dumps(first[-1].bookmark)))
    assert {*ids(first), *ids(rest)} == {row["_id"] for row in rows}
    # Along a date, the run begins again a lookback of ten minutes before.
    assert len(ids(first)) + len(ids(rest)) <= 500 + 12


def test_a_list_that_is_not_sorted_by_its_key_is_read_by_id_instead(list_of, caplog):
    rows = rows_made(95)
    things = list_of(rows, ignores_order=True)
    steps = steps_of(BY_TIME, things)
    assert {row["_id"] for row in rows} == set(ids(steps))
    assert steps[-1].bookmark["replication_key_value"] == rows[-1]["at"]
    assert "offset" not in steps[-1].bookmark
    (entry,) = [entry for entry in caplog.records if entry.levelno == logging.WARNING]
    assert entry.getMessage().startswith("things: ")
    assert entry.getMessage().endswith("; reading the whole list by _id instead")

    again = steps_of(BY_TIME, things, steps[-1].bookmark | {"offset": 70})
    assert sorted(ids(again)) == sorted(row["_id"] for row in rows[-11:])
    assert "offset" not in again[-1].bookmark


def test_a_list_that_is_not_sorted_by_its_key_is_read_from_its_very_first_id(list_of):
    rows = rows_made(30)
    rows[29]["_id"] = "0" * 24
    steps = steps_of(BY_TIME, list_of(rows, ignores_order=True), mark("at", rows[0]["at"]))
    assert "0" * 24 in ids(steps)


def test_what_was_read_along_before_the_order_broke_does_not_move_the_bookmark(list_of):
    rows = rows_made(600)
    things = list_of(rows)

    def breaks():
        things.ignores = "order, statically" if len(things.requests) > 20 else "nothing"

    things.between = breaks
    steps = steps_of(BY_TIME, things, mark("at", rows[0]["at"]))
    switched = next(number for number, step in enumerate(steps) if not step.by_key)
    assert steps[switched - 1].bookmark["replication_key_value"] > rows[0]["at"]
    for step in steps[switched:-1]:
        assert step.bookmark["replication_key_value"] == rows[0]["at"]
    assert set(ids(steps[switched:])) == {row["_id"] for row in rows}


def cut_off_by_key(rows, list_of):
    """Return the bookmark of a first sync that was killed after pages that came in order."""
    steps = list(islice(steps_of(BY_TIME, list_of(rows)), 3))
    assert steps[-1].bookmark["replication_key_value"] > rows[5]["at"]
    return json.loads(json.dumps(steps[-1].bookmark))


@pytest.mark.parametrize("start", [None, 40])
def test_what_was_read_by_a_key_whose_order_does_not_hold_is_read_again(list_of, start):
    rows = rows_made(95)
    begun = cut_off_by_key(rows, list_of)
    settings = replace(SETTINGS, start_date=to_moment(rows[start]["at"]) if start else None)
    steps = steps_of(BY_TIME, list_of(rows, ignores_order=True), begun, settings)
    assert sorted(ids(steps)) == sorted(row["_id"] for row in rows[start or 0 :])


def test_what_was_read_by_id_is_believed_whatever_was_read_by_key_since(list_of):
    rows = rows_made(95)
    first = steps_of(BY_TIME, list_of(rows[:60], ignores_order=True))[-1].bookmark
    assert first["by_id_to"] == rows[59]["at"]
    then = steps_of(BY_TIME, list_of(rows[:80]), first)[-1].bookmark
    assert then["replication_key_value"] == rows[79]["at"]
    again = steps_of(BY_TIME, list_of(rows, ignores_order=True), then)
    assert sorted(ids(again)) == sorted(row["_id"] for row in rows[49:])
    assert again[-1].bookmark["by_id_to"] == rows[94]["at"]


def test_a_group_of_ties_that_fills_a_page_disproves_nothing(list_of):
    rows = rows_made(95)
    for row in rows[40:70]:
        row["at"] = rows[40]["at"]
    bookmark = mark("at", rows[30]["at"])
    steps = steps_of(BY_TIME, list_of(rows), bookmark)
    assert not steps[-1].by_key
    assert set(ids(steps)) == {row["_id"] for row in rows[20:]}
    # But it was not read by id from its beginning.
    assert "by_id_to" not in steps[-1].bookmark


# Moments of a wrong clock.


@pytest.mark.parametrize("name", ["full_read_at", "moved_back_since", "by_id_to"])
@pytest.mark.parametrize("value", ["2999-01-01T00:00:00.000Z", ago(minutes=-20), "soon", "", 7])
def test_a_moment_that_cannot_be_is_taken_out_of_a_bookmark(name, value):
    bookmark = {name: value, "partitions": [{"context": {"a": 1}, name: value}], "kept": 1}
    assert len(discard_impossible(bookmark, NOW)) == 2
    assert bookmark == {"partitions": [{"context": {"a": 1}}], "kept": 1}


@pytest.mark.parametrize(
    ("key", "value", "possible"),
    [
        ("at", ago(), True),
        ("at", ago(seconds=-5), True),
        ("at", "2026-05-17T11:00:00+02:00", True),
        ("at", ago(minutes=-20), False),
        ("at", "2026-02-31T00:00:00.000Z", False),
        ("_id", id_ago(), True),
        ("_id", "t0123", True),
        ("_id", id_ago(minutes=-20), False),
        ("_id", "ffffffff0000000000000000", False),
        ("_id", 7, False),
    ],
)
def test_a_bookmark_in_the_future_is_none(key, value, possible):
    bookmark = mark(key, value)
    gone = discard_impossible(bookmark, NOW)
    assert ("replication_key_value" in bookmark) is possible
    assert gone == ([] if possible else [f"replication_key_value {value!r}"])


@pytest.mark.parametrize("name", ["reading", "full_table"])
def test_what_began_in_the_future_is_begun_anew(name):
    bookmark = {name: {"began": ago(hours=-1), "last": "a"}, "kept": 1}
    assert discard_impossible(bookmark, NOW) == [f"{name}.began {ago(hours=-1)!r}"]
    assert bookmark == {"kept": 1}
    possible = {name: {"began": ago()}, "full_read_at": None}
    assert discard_impossible(possible, NOW) == []


def test_a_reading_by_id_after_such_a_break_is_gone_on_with(list_of):
    rows = rows_made(95)
    things = list_of(rows, ignores_order=True)
    first = []
    for step in read(BY_TIME, {}, SETTINGS, things.answer, plan_read(BY_TIME, {}, SETTINGS)):
        first.append(step)
        if step.bookmark.get("reading", {}).get("last", "") >= rows[50]["_id"]:
            break
    rest = steps_of(BY_TIME, things, json.loads(json.dumps(first[-1].bookmark)))
    assert set(ids(rest)) >= {row["_id"] for row in rows[60:]}
    assert len(ids(rest)) <= 45
    assert {*ids(first), *ids(rest)} == {row["_id"] for row in rows}


def test_a_list_not_even_sorted_by_id_is_an_error(list_of):
    things = list_of([{"_id": each, "at": None} for each in ("b", "a", "c")])
    shuffled = lambda request: replace(things.answer(request), rows=things.rows)  # noqa: E731
    with pytest.raises(CannotSortError):
        list(read(BY_ID, {}, SETTINGS, shuffled, plan_read(BY_ID, {}, SETTINGS)))
    with pytest.raises(CannotSortError):
        list(read(BY_TIME, {}, SETTINGS, shuffled, plan_read(BY_TIME, {}, SETTINGS)))


# Runs that are stopped anywhere, with changes between and meanwhile.


class Life:
    """A list that lives on while runs read it; what they emitted last of every row."""

    def __init__(self, list_of, what, seed, *, ignores_order):
        self.what = what
        self.random = random.Random(seed)
        self.list = list_of(ignores_order=ignores_order)
        self.clock = NOW
        self.made = 0
        self.emitted = {}
        self.bookmark = {}

    def pass_time(self):
        self.clock += timedelta(seconds=self.random.choice((0, 1, 60, 3600, 86_400)))

    def change(self):
        self.pass_time()
        self.made += 1
        rows = self.list.rows
        kind = self.random.choice(("insert", "insert", "late", "update", "update", "delete"))
        if kind in ("insert", "late") or not rows:
            minted = self.clock - timedelta(minutes=9 if kind == "late" else 0)
            row = {"_id": first_id(minted)[:8] + f"{self.made:016x}", "at": text_of(self.clock)}
            if self.what is ANSWERS:
                row["nid"] = f"answer-{self.made}"
                # Of one contact in three there are several answers.
                known = {each["_id"] for each in rows[-9::3]}
                row["_id"] = self.random.choice(sorted({row["_id"], *known}))
            elif self.random.random() < 0.05 and self.what is BY_TIME:
                row["at"] = None
            rows.append({**row, "version": self.made})
        elif kind == "delete":
            rows.remove(self.random.choice(rows))
        elif self.what is not ANSWERS:
            row = self.random.choice(rows)
            row |= {"at": text_of(self.clock), "version": self.made}

    def run(self, *, stop=None, busy=False):
        self.pass_time()
        # Answers of one contact only, changed at every request, have no end to be found.
        busy = busy and (self.what is not ANSWERS or len(self.list.rows) > 20)
        self.list.between = self.change if busy else lambda: None
        self.list.requests.clear()
        settings = replace(SETTINGS, now=self.clock, limit=self.random.randint(4, 8), widest=500)
        reading = plan_read(self.what, self.bookmark, settings)
        last = self.bookmark
        for step in islice(
            read(self.what, self.bookmark, settings, self.list.answer, reading), stop
        ):
            for row in step.rows:
                self.emitted[self.what.identity(row)] = row["version"]
            last = step.bookmark
            value = last.get("replication_key_value") or ""
            if self.what.date_key != "_id":
                assert value <= text_of(settings.now)
        self.bookmark = json.loads(json.dumps(last))
        if stop is None:
            assert "reading" not in self.bookmark

    def missing(self):
        """Rows that are there and never came out, or not as they are."""
        for row in self.list.rows:
            emitted = self.emitted.get(self.what.identity(row))
            shows = self.what.shows_edits and row["at"]
            if emitted is None or (shows and emitted != row["version"]):
                yield row


@pytest.mark.untraced
@hypothesis_settings(max_examples=120, deadline=None)
@given(
    st.sampled_from([BY_ID, BY_TIME, ANSWERS]),
    st.integers(0, 2**32),
    st.tuples(st.booleans(), st.integers(0, 60)),
    st.lists(st.tuples(st.integers(0, 12), st.booleans(), st.integers(0, 5)), max_size=6),
)
def test_runs_stopped_anywhere_lose_nothing(list_of, what, seed, habits, runs):
    ignores_order, size = habits
    life = Life(list_of, what, seed, ignores_order=ignores_order)
    for _ in range(size):
        life.change()
    for stop, busy, changes in runs:
        life.run(stop=stop, busy=busy)
        for _ in range(changes):
            life.change()
    # The first may do no more than finish what was stopped.
    life.run()
    life.run()
    assert not list(life.missing())
