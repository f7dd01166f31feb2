"""Full tables, and runs that are stopped in between."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime, timezone

import pytest

from planhat_api.dates import to_text as text_of
from planhat_api.errors import PayloadError
from tap_planhat.sdk import StreamError

UTC = timezone.utc
BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
HEX = 24


# Full tables.


def versions(out):
    return {message.get("version") for message in out.messages if message["type"] == "RECORD"}


@pytest.mark.parametrize("stream", ["campaigns", "nps", "tasks"])
def test_a_full_table_is_activated_once_after_everything(planhat, run, stream):
    for number in range(30):
        if stream == "nps":
            planhat.answered(number, days_ago=number)
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


@pytest.mark.untraced
@pytest.mark.parametrize("stream", ["campaigns", "nps", "tasks"])
def test_a_full_table_killed_anywhere_goes_on_with_the_same_version(planhat, run, stream):
    for number in range(60):
        if stream == "nps":
            planhat.answered(number, days_ago=number)
        else:
            planhat.add(stream, number, at=number, isArchived=number % 2 == 0)
    settings = {"emit_activate_version_messages": True, "page_size": 10, "parallel_requests": 1}
    again = 0
    for call in range(1, 60):
        planhat.kill_at(call)
        killed = run(stream, method="FULL_TABLE", stop=True, **settings)
        planhat.live()
        if "ACTIVATE_VERSION" in killed.kinds:
            break
        state = killed.state if killed.states else None
        if state and "full_table" in state["bookmarks"][stream]:
            # Long ago, so that a version of its own would differ.
            marks = json.dumps(state)
            began = state["bookmarks"][stream]["full_table"]["began"]
            state = json.loads(marks.replace(began, "2026-01-05T00:00:00.000Z"))
        rest = run(stream, state, method="FULL_TABLE", **settings)
        assert {*killed.ids(), *rest.ids()} >= set(planhat.expected_ids(stream))
        assert rest.kinds.count("ACTIVATE_VERSION") == 1
        (activated,) = [each for each in rest.messages if each["type"] == "ACTIVATE_VERSION"]
        if state and "full_table" in state["bookmarks"][stream]:
            assert activated["version"] == 1767571200
        assert versions(rest) <= {activated["version"]}
        again = max(again, len(killed.ids()) + len(rest.ids()))
    assert call > 5
    assert again < 60 + 15


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
    planhat.kill_at(5)
    killed = run("campaigns", method="FULL_TABLE", stop=True, page_size=10)
    planhat.live()
    assert "full_table" in killed.bookmark("campaigns")
    after = run("campaigns", killed.state)
    assert "full_table" not in after.bookmark("campaigns")
    assert len(after.ids()) == 60


# Interrupted runs.


@pytest.mark.untraced
@pytest.mark.parametrize("stream", ["campaigns", "nps", "tasks", "conversations"])
def test_a_run_killed_at_any_call_goes_on_from_its_last_state(planhat, run, stream):
    for number in range(120):
        if stream == "nps":
            planhat.answered(number, days_ago=number)
        else:
            planhat.add(stream, number, at=20 * number, isArchived=number % 2 == 0)
    expected = set(planhat.expected_ids(stream))
    settings = {"page_size": 10, "parallel_requests": 1}
    repeated = 0
    for call in range(1, 80):
        calls = planhat.kill_at(call)
        killed = run(stream, stop=True, **settings)
        planhat.live()
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


def test_a_long_sync_tells_how_far_it_is_and_asks_nothing_for_it(planhat, run, monkeypatch, caplog):
    caplog.set_level("INFO", logger="tap-planhat")
    for number in range(3000):
        planhat.add("campaigns", number)
    run("campaigns", page_size=1000)
    quiet = list(planhat.asked)
    planhat.asked.clear()
    monkeypatch.setattr("tap_planhat.progress.INTERVAL", 0)
    run("campaigns", page_size=1000)
    told = [text for text in caplog.messages if "read up to" in text]
    assert told
    assert all(text.startswith("campaigns: ") for text in told)
    assert told[-1].endswith("; this list is read up to 2026-01-03")
    assert "%" not in told[-1]
    assert len(planhat.asked) == len(quiet)
