"""Nothing is believed against evidence: orders, ends, clocks and lists that do not hold."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import pytest

UTC = timezone.utc
BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
TASKS = 600
MOST_CALLS = 400


def iso(moment):
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def oid(number):
    seconds = int((BEGINNING + timedelta(minutes=number)).timestamp())
    return f"{seconds:08x}{number:016x}"


def task(number, *, changed=None, archived=False):
    moment = BEGINNING + timedelta(minutes=number if changed is None else changed)
    return {
        "_id": oid(number),
        "action": f"Task {number}",
        "updatedAt": iso(moment),
        "isArchived": archived,
    }


def campaign(number):
    return {"_id": oid(number), "name": f"Campaign {number}", "companyId": "c-1"}


def ids(rows):
    return {row["_id"] for row in rows}


# Orders that do not hold.


def in_order_at_first(count, ordered):
    """Tasks in the order of their ids, of which only the first come in that of their changes."""
    return [
        task(number, changed=number + 5000 if number < ordered else (7 * number) % 4000)
        for number in range(count)
    ]


@pytest.mark.parametrize("start", [None, 1000])
def test_a_first_run_that_was_cut_off_along_an_order_that_does_not_hold_costs_no_row(
    tap, odd, canned, start
):
    settings = {"page_size": 40, "retry_timeout": 1}
    if start is not None:
        settings["start_date"] = iso(BEGINNING + timedelta(minutes=start))
    with odd(unsorted=frozenset({"updatedAt"})) as server:
        rows = in_order_at_first(TASKS, ordered=60)
        server.rows = {"tasks": rows}
        server.spoil = lambda _, query: canned(500) if int(query["offset"]) > 30 else None
        cut = tap(server, "tasks", **settings)
        assert cut.code == 1
        server.spoil = lambda _resource, _query: None
        rest = tap.reads(server, "tasks", state=cut.state, **settings)
    wanted = ids(
        rows
        if start is None
        else [r for r in rows if r["updatedAt"] >= iso(BEGINNING + timedelta(minutes=start))]
    )
    assert "reading the whole list by _id instead" in rest.err
    assert set(rest.ids("tasks")) == wanted


def test_a_list_that_was_read_by_id_is_not_read_from_its_beginning_each_time(tap, odd):
    with odd(unsorted=frozenset({"updatedAt"})) as server:
        rows = in_order_at_first(TASKS, ordered=0)
        server.rows = {"tasks": rows}
        first = tap.reads(server, "tasks")
        rows.append(task(TASKS, changed=4100))
        second = tap.reads(server, "tasks", state=first.state)
    assert set(first.ids("tasks")) == ids(rows[:-1])
    assert rows[-1]["_id"] in second.ids("tasks")
    assert len(set(second.ids("tasks"))) < 20


# Ends that are none.


@pytest.mark.parametrize(
    ("stream", "cap"), [("campaigns", 10_000), ("campaigns", 17), ("tasks", 17)]
)
def test_rows_beyond_the_offsets_that_a_server_serves_are_an_error_that_names_the_offset(
    tap, odd, stream, cap
):
    make = campaign if stream == "campaigns" else task
    with odd(serves=200, cap=cap) as server:
        server.rows = {stream: [make(number) for number in range(900)]}
        run = tap(server, stream, page_size=50)
        assert run.code == 1
        assert len(server.calls) < MOST_CALLS
        assert len(set(run.ids(stream))) >= 199
        again = tap(server, stream, state=run.state, page_size=50)
        assert again.code == 1
        assert len(server.calls) < 2 * MOST_CALLS
        for each in (run, again):
            assert "offset" in each.complaint
            assert any(str(number) in each.complaint for number in range(190, 250))


def test_a_list_that_ends_where_the_server_serves_no_more_is_read_to_its_end(tap, odd):
    with odd(serves=200) as server:
        server.rows = {"campaigns": [campaign(number) for number in range(200)]}
        run = tap.reads(server, "campaigns", page_size=50)
    assert set(run.ids("campaigns")) == ids(server.rows["campaigns"])


# Clocks.


@pytest.mark.parametrize(
    "change",
    [
        {"full_read_at": "2999-01-01T00:00:00.000Z"},
        {"full_read_at": "yesterday"},
        {"full_read_at": 7},
        {"replication_key_value": "ffffffff0000000000000000"},
        {"replication_key_value": None, "full_read_at": None},
    ],
)
def test_a_moment_of_a_wrong_clock_in_state_switches_nothing_off(tap, odd, change):
    with odd() as server:
        server.rows = {"campaigns": [campaign(number) for number in range(60)]}
        state = tap.reads(server, "campaigns").state
        state["bookmarks"]["campaigns"] |= change
        run = tap.reads(server, "campaigns", state=state)
    assert len(run.ids("campaigns")) == 60
    told = run.err.count("STATE holds moments")
    assert told == (0 if None in change.values() else 1)
    assert run.bookmark("campaigns")["full_read_at"] <= iso(datetime.now(UTC))


@pytest.mark.parametrize("how", [{"key": "_id"}, {"method": "FULL_TABLE"}, {}])
def test_a_task_reopened_meanwhile_comes_though_this_machines_clock_is_ahead(tap, odd, how):
    behind = timedelta(minutes=20)
    with odd(behind=behind.total_seconds()) as server:
        rows = [task(number, archived=number % 2 == 0) for number in range(60)]
        server.rows = {"tasks": rows}

        def reopen(_, query):
            if query.get("isArchived") == "true" and rows[30]["isArchived"]:
                rows[30] |= {"isArchived": False, "updatedAt": iso(datetime.now(UTC) - behind)}

        server.spoil = reopen
        run = tap.reads(server, catalog=tap.catalog("tasks", **how))
    assert rows[30]["_id"] in run.ids("tasks")
    for each in (run.bookmark("tasks"), *run.bookmark("tasks")["partitions"]):
        assert max([each.get("full_read_at") or "", ""]) <= iso(datetime.now(UTC) - behind / 2)


# Rows that move from list to list.


@pytest.mark.parametrize("how", [{}, {"key": "_id"}, {"method": "FULL_TABLE"}])
def test_a_task_that_is_archived_reopened_and_archived_again_is_not_missing(tap, odd, how):
    with odd() as server:
        rows = [task(number, archived=number > 30) for number in range(60)]
        server.rows = {"tasks": rows}
        last = [None]

        def flip(_, query):
            """Have the row in the list that is not about to be read, three times."""
            archived = query.get("isArchived")
            if archived is None or archived == last[0] or len(moves) == 3:
                return
            last[0] = archived
            moves.append(archived)
            rows[40] |= {"isArchived": archived == "false", "updatedAt": iso(datetime.now(UTC))}

        moves = []
        server.spoil = flip
        run = tap.reads(
            server,
            catalog=tap.catalog("tasks", **how),
            emit_activate_version_messages="method" in how,
        )
    assert moves == ["false", "true", "false"]
    assert set(run.ids("tasks")) == ids(rows)
    if "method" in how:
        assert run.messages[-2]["type"] == "ACTIVATE_VERSION" or run.of("ACTIVATE_VERSION")


def test_a_campaign_that_moves_to_a_company_already_read_is_not_missing(tap, odd):
    with odd() as server:
        rows = [campaign(number) | {"companyId": "c-2"} for number in range(60)]
        server.rows = {"campaigns": rows}

        def move(_, query):
            if query.get("companyId") == "c-2" or int(query["offset"]) > 0:
                rows[50]["companyId"] = "c-1"

        server.spoil = move
        rows[0]["companyId"] = "c-3"
        run = tap.reads(server, "campaigns", company_ids=["c-1", "c-2"], page_size=10)
    assert rows[50]["companyId"] == "c-1"
    assert set(run.ids("campaigns")) == ids(rows[1:])


# Rows that can never be had.


def poisoned(server, canned, place, kind):
    """Spoil each page that holds the row at a place of the list."""

    def spoil(resource, query):
        offset, limit = int(query["offset"]), int(query["limit"])
        count = len(server.rows[resource])
        there = count - 1 - place if query.get("sort", "").startswith("-") else place
        if not offset <= there < offset + limit:
            return None
        if kind == "500":
            return canned(500, b'{"message":"boom"}')
        body = json.dumps(server.page(resource, query)).encode()
        return canned(200, body.replace(b"Campaign", b"\xff"))

    return spoil


@pytest.mark.parametrize("kind", ["500", "undecodable"])
@pytest.mark.parametrize("place", [0, 333, 899])
def test_a_row_that_the_server_can_never_give_ends_the_run_soon_behind_all_before_it(
    tap, odd, canned, place, kind
):
    with odd() as server:
        rows = [campaign(number) for number in range(900)]
        server.rows = {"campaigns": rows}
        server.spoil = poisoned(server, canned, place, kind)
        run = tap(server, "campaigns", retry_timeout=2)
        failing = len(server.calls)
    assert run.code == 1
    assert set(run.ids("campaigns")) >= ids(rows[:place])
    assert f" to {place} of the list" in run.complaint
    assert failing < 120
    if place:
        assert run.bookmark("campaigns")["reading"]["last"] >= rows[place - 2]["_id"]


def test_new_rows_before_one_that_can_never_be_had_come_with_an_incremental_sync(tap, odd, canned):
    with odd() as server:
        rows = [campaign(number) for number in range(300)]
        server.rows = {"campaigns": rows}
        first = tap.reads(server, "campaigns")
        rows.extend(campaign(number) for number in range(300, 340))
        server.spoil = poisoned(server, canned, 339, "500")
        run = tap(server, "campaigns", state=first.state, retry_timeout=2)
    assert run.code == 1
    assert set(run.ids("campaigns")) >= ids(rows[300:339])
    assert " to 339 of the list" in run.complaint
