"""Where a reading ends: at the list's end, or with an error where it leads no further."""

from __future__ import annotations

import re

import pytest

from planhat_api.paging import OutOfOrderError, Page, Position, ScanError
from planhat_api.scan import MOST_MISSES, scan

SERVES = 300
"""Rows from the list's beginning that some servers serve, and no more."""
SERVERS = {
    "nothing from an offset on": lambda rows, offset, limit: (
        rows[offset : offset + limit] if offset < SERVES else []
    ),
    "no page that reaches further": lambda rows, offset, limit: (
        rows[offset : offset + limit] if offset + limit <= SERVES else []
    ),
    "pages cut off there": lambda rows, offset, limit: rows[offset : min(offset + limit, SERVES)],
    "the page there, over and over": lambda rows, offset, limit: rows[
        min(offset, SERVES) : min(offset, SERVES) + limit
    ],
    "the list from its beginning again": lambda rows, offset, limit: rows[
        offset % SERVES : offset % SERVES + limit
    ],
}


def ids(batches):
    return [row["_id"] for batch in batches for row in batch.rows]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("order", ["by_id", "by_time", "by_unique_time"])
def test_a_reading_comes_to_its_end_while_rows_leave_and_others_come(kit, order, seed):
    changing = kit.filled(600, seed=seed)

    def change():
        assert len(changing.requests) < 500
        for _ in range(12):
            changing.leave(changing.random.choice(changing.rows))
            changing.insert()

    changing.read(getattr(kit, order), limit=60, widest=1000, changes=change)
    assert changing.lost == set()


@pytest.mark.parametrize("place", [None, 100, 290, 600])
@pytest.mark.parametrize("order", ["by_id", "by_unique_time", "by_time"])
@pytest.mark.parametrize("server", SERVERS)
def test_a_list_that_is_not_served_to_its_end_is_an_error_after_few_calls(
    kit, order, server, place
):
    listing = kit.filled(1000)
    cursor = getattr(kit, order)
    rows = sorted(listing.rows, key=cursor.value)
    calls = []

    def fetch(request):
        calls.append(request)
        assert len(calls) < 6 * MOST_MISSES
        found = rows[::-1] if request.sort.startswith("-") else rows
        return Page(SERVERS[server](found, request.offset, request.limit), request.limit)

    start = None if place is None else Position(cursor.value(rows[place]), offset=place)
    batches = []
    with pytest.raises(ScanError, match=r"offset \d+|fills a whole page") as raised:
        batches.extend(scan(fetch, cursor, limit=50, start=start))
    if place is None and order != "by_time":
        assert len(set(ids(batches))) >= SERVES - 1
        (offset,) = map(int, re.findall("offset ([0-9]+)", str(raised.value)))
        assert offset >= SERVES - 10
        assert offset < SERVES + 100 or server == "the list from its beginning again"


def test_pages_that_lead_nowhere_are_counted_for_the_whole_reading(kit):
    """Of 30 pages one leads further, so that no 50 in a row lead nowhere."""
    listing = kit.filled(400)
    pages = []

    def fetch(request):
        page = listing.answer(request)
        if request.sort.startswith("-") or request.probe:
            return page
        pages.append(request)
        return page if len(pages) % 30 == 0 else Page(page.rows[:1], request.limit)

    with pytest.raises(ScanError, match="leads no further than offset"):
        list(scan(fetch, kit.by_id, limit=10, widest=20))
    assert len(pages) < 2 * MOST_MISSES


def test_an_order_that_does_not_hold_is_told_from_one_that_leads_no_further(kit):
    with pytest.raises(OutOfOrderError):
        kit.filled(40, ignores="order, statically").read(kit.by_time, limit=10)
    with pytest.raises(ScanError) as raised:
        kit.filled(50, ties=1).read(kit.by_time, limit=10)
    assert not isinstance(raised.value, OutOfOrderError)


@pytest.mark.parametrize("place", [0, 1, 7, 9, 10, 19, 39])
@pytest.mark.parametrize("limit", [5, 10, 200])
def test_a_row_whose_cursor_cannot_be_compared_comes_with_the_rows_around_it(kit, place, limit):
    rows = [{"_id": f"{number:03d}"} for number in range(40)]
    rows.insert(place, {"_id": 7})
    cursor = kit.order(
        "_id",
        value=lambda row: row["_id"] if isinstance(row["_id"], str) else None,
        identity=lambda row: row["_id"],
        unique=True,
    )

    def fetch(request):
        found = rows[::-1] if request.sort.startswith("-") else rows
        return Page(found[request.offset : request.offset + request.limit], request.limit)

    assert set(ids(scan(fetch, cursor, limit=limit))) == {row["_id"] for row in rows}
    again = scan(fetch, cursor, limit=limit, start=Position("038", offset=39))
    assert {"038", "039"} <= set(ids(again))


def test_rows_without_the_cursor_are_left_out_where_they_are_not_wanted(kit):
    listing = kit.filled(30, lacking=4)
    newest = max(row["updatedAt"] or "" for row in listing.rows)
    found = list(scan(listing.answer, kit.by_time, limit=10, start=Position(newest), undated=False))
    assert [row["updatedAt"] for batch in found for row in batch.rows] == [newest]
    assert found[-1].position.lowest == ""


def test_the_first_row_is_looked_at_once(kit):
    listing = kit.filled(30)
    newest = max(row["updatedAt"] for row in listing.rows)
    *_, last = listing.read(kit.by_time, limit=10, start=Position(newest))
    assert len(listing.requests) == 2
    listing.read(kit.by_time, limit=10, start=last.position)
    assert [request.sort for request in listing.requests[2:]] == ["-updatedAt"]
