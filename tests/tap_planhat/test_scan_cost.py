"""What a reading costs in calls, and what it tells for pages to be asked for ahead."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tap_planhat.scan import Page, Position, scan


def times(rows):
    return [row["updatedAt"] or "" for row in rows]


def pages(request):
    return not request.probe and not request.sort.startswith("-")


class MillionRows:
    """A list in order that exists only where it is looked at; `alike` rows share a cursor."""

    def __init__(self, count, alike=1):
        self.count, self.alike = count, alike
        self.calls = self.sent = 0

    def row(self, place):
        return {"_id": place, "v": f"{place // self.alike:08d}"}

    def answer(self, request):
        falling = request.sort.startswith("-")
        places = range(self.count - 1, -1, -1) if falling else range(self.count)
        page = places[request.offset : request.offset + request.limit]
        self.calls += 1
        self.sent += len(page)
        return Page(list(map(self.row, page)), request.limit)

    def position(self, place, hint):
        """Return where a reading stood that ended with the row at a place."""
        value = self.row(place)["v"]
        near = range(max(0, place - self.alike), place + 1)
        return Position(value, frozenset(i for i in near if self.row(i)["v"] == value), hint)

    def read(self, kit, start=None):
        order = kit.order(
            "v", value=lambda row: row["v"], identity=lambda row: row["_id"], unique=self.alike == 1
        )
        batches = scan(self.answer, order, limit=10_000, start=start)
        return sum(len(batch.rows) for batch in batches)


OLD = 1_000_000


@pytest.mark.parametrize("alike", [1, 40])
@pytest.mark.parametrize("hint", [None, 0, OLD - 1, OLD // 2, 50 * OLD])
def test_a_hundred_new_rows_among_a_million_cost_two_calls(kit, alike, hint):
    listing = MillionRows(OLD + 100, alike)
    assert listing.read(kit, listing.position(OLD - 1, hint)) == 100
    assert listing.calls <= 2
    assert listing.sent < 300


@pytest.mark.parametrize("alike", [1, 40])
@pytest.mark.parametrize(
    ("hint", "calls"),
    [(OLD - 1, 5), (OLD + 2_000, 8), (OLD - 40_000, 10), (None, 14), (0, 15), (50 * OLD, 24)],
)
def test_five_thousand_new_rows_among_a_million_cost_few_calls(kit, alike, hint, calls):
    """Near the place the bookmark was at, 5; where that is of no use, it is found in about 20."""
    listing = MillionRows(OLD + 5_000, alike)
    assert listing.read(kit, listing.position(OLD - 1, hint)) == 5_000
    assert listing.calls <= calls
    assert listing.sent < 70_000


@pytest.mark.parametrize("alike", [1, 40])
def test_a_start_in_the_middle_costs_its_half_and_a_few_calls_to_find_it(kit, alike):
    listing = MillionRows(OLD, alike)
    assert listing.read(kit, Position(listing.row(OLD // 2)["v"])) == OLD // 2
    assert listing.calls <= OLD // 2 // 10_000 + 14


@pytest.mark.parametrize("alike", [1, 40])
def test_a_whole_reading_costs_little_more_than_its_pages(kit, alike):
    listing = MillionRows(OLD, alike)
    assert listing.read(kit) == OLD
    assert listing.calls <= OLD // (10_000 - alike) + 3


def test_a_page_cap_lower_than_asked_costs_no_look_at_the_end_for_each_page(kit):
    for ignores in ("nothing", "descending"):
        listing = kit.filled(2_000, cap=100, ignores=ignores)
        listing.read(kit.by_id, limit=1_000)
        assert not listing.lost
        assert len(listing.requests) <= 2_000 // 99 + 7


def test_a_few_rows_that_move_at_every_request_cost_one_page_more_each_time(kit):
    listing = kit.filled(2_000)

    def changes():
        for _ in range(3):
            listing.leave(listing.rows[0])

    listing.read(kit.by_id, limit=100, changes=changes)
    assert not listing.lost
    assert len(listing.requests) <= 2 * 2_000 // 88 + 3


# What the caller is told, to ask for pages ahead.


def test_the_overlap_told_with_a_page_is_where_the_next_one_begins(kit):
    listing = kit.filled(0)
    for number in range(2000):
        listing.rows.append({"_id": f"{number:05d}", "updatedAt": f"{number // 4:05d}"})
    listing.read(kit.by_time, limit=100)
    found = [request for request in listing.requests if pages(request)]
    steps = [(one.overlap, one.offset + 100 - two.offset) for one, two in pairwise(found)]
    assert all(told == kept for told, kept in steps[2:])
    assert {kept for _, kept in steps[2:]} == {5}


def test_only_pages_that_others_follow_tell_an_overlap(kit):
    listing = kit.filled(400, lacking=3)
    start = Position(sorted(times(listing.rows))[100])
    listing.read(kit.by_time, limit=20, widest=30, start=start)
    lacking, *found = [request for request in listing.requests if pages(request)]
    assert lacking.overlap is None
    assert all(request.overlap for request in found)
    assert all(request.overlap is None for request in listing.requests if not pages(request))
