"""What a reading costs in calls, and what it tells for pages to be asked for ahead."""

from __future__ import annotations

from itertools import pairwise

import pytest

from planhat_api.paging import Page, Position
from planhat_api.scan import scan


def times(rows):
    return [row["updatedAt"] or "" for row in rows]


def pages(request):
    return not request.probe and not request.sort.startswith("-")


class Rows:
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

    def read(self, kit, start=None, limit=10_000):
        order = kit.order(
            "v", value=lambda row: row["v"], identity=lambda row: row["_id"], unique=self.alike == 1
        )
        batches = scan(self.answer, order, limit=limit, start=start)
        return sum(len(batch.rows) for batch in batches)


OLD = 1_000_000


@pytest.mark.parametrize("alike", [1, 40, 500])
@pytest.mark.parametrize("hint", [None, 0, OLD - 1, OLD // 2, 50 * OLD])
def test_a_hundred_new_rows_among_a_million_cost_two_calls(kit, alike, hint):
    listing = Rows(OLD + 100, alike)
    assert listing.read(kit, listing.position(OLD - 1, hint)) == 100
    assert listing.calls <= 2
    assert listing.sent < 300 + alike


@pytest.mark.parametrize("alike", [1, 40])
@pytest.mark.parametrize(
    ("hint", "calls"),
    [(OLD - 1, 5), (OLD + 2_000, 8), (OLD - 40_000, 10), (None, 14), (0, 15), (50 * OLD, 24)],
)
def test_five_thousand_new_rows_among_a_million_cost_few_calls(kit, alike, hint, calls):
    """Near the place the bookmark was at, 5; where that is of no use, it is found in about 20."""
    listing = Rows(OLD + 5_000, alike)
    assert listing.read(kit, listing.position(OLD - 1, hint)) == 5_000
    assert listing.calls <= calls
    assert listing.sent < 70_000


@pytest.mark.untraced
@pytest.mark.parametrize(("alike", "limit"), [(1, 10_000), (40, 1_000)])
def test_a_start_in_the_middle_costs_its_half_and_a_few_calls_to_find_it(kit, alike, limit):
    listing = Rows(OLD, alike)
    assert listing.read(kit, Position(listing.row(OLD // 2)["v"]), limit) == OLD // 2
    assert listing.calls <= OLD // 2 // (limit - alike) + 18


@pytest.mark.untraced
def test_a_start_is_found_so_that_the_first_page_will_do(kit):
    """Also where it lies in a large group of ties, which a page must begin before."""
    listing = kit.filled(3_000, ties=0.98)
    for start in sorted(set(times(listing.rows))):
        listing.requests.clear()
        listing.read(kit.by_time, limit=300, start=Position(start))
        found = [request.offset for request in listing.requests if pages(request)]
        assert found == sorted(found)


@pytest.mark.parametrize("alike", [1, 40])
def test_a_whole_reading_costs_little_more_than_its_pages(kit, alike):
    listing = Rows(OLD // 5, alike)
    assert listing.read(kit, limit=2_000) == OLD // 5
    assert listing.calls <= OLD // 5 // (2_000 - alike) + 3


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


@pytest.mark.parametrize(("order", "overlap"), [("by_id", 1), ("by_time", 2)])
def test_the_overlap_is_told_from_the_first_page_on_where_no_rows_share_the_cursor(
    kit, order, overlap
):
    listing = kit.filled(500)
    listing.read(getattr(kit, order), limit=100)
    found = [request for request in listing.requests if pages(request)]
    assert {request.overlap for request in found} == {overlap}
    assert {two.offset - one.offset for one, two in pairwise(found)} == {100 - overlap}


def grouped(kit, *sizes):
    """Return a list with groups of ties of these sizes."""
    listing = kit.filled(0)
    for size in sizes:
        listing.ties = 0
        listing.insert()
        listing.ties = 1
        for _ in range(size - 1):
            listing.insert()
    return listing


def test_one_large_group_of_ties_does_not_make_all_pages_overlap_by_as_much(kit):
    listing = grouped(kit, *[1] * 60, 60, *[1] * 2_000)
    listing.read(kit.by_time, limit=100)
    assert not listing.lost
    assert len(listing.requests) <= 2_120 // 98 + 4


def test_pages_that_become_shorter_than_the_overlap_still_lead_on(kit):
    listing = grouped(kit, *[8] * 13, *[1] * 400)

    def changes():
        if len(listing.requests) == 2:
            listing.cap = 6

    listing.read(kit.by_time, limit=104, changes=changes)
    assert not listing.lost


def test_a_list_whose_rows_move_as_fast_as_they_are_read_is_read_all_the_same(kit):
    """The changes never stop; a look at so much of the end as pages hold catches up with them."""
    listing = kit.filled(500)

    def changes():
        for row in sorted(listing.rows, key=lambda row: row["updatedAt"])[:200]:
            listing.update(row)
        assert len(listing.requests) < 25

    listing.read(kit.by_time, limit=400, widest=10_000, changes=changes)
    assert not listing.lost


def test_an_empty_list_is_known_to_be_empty_by_a_look_from_each_end(kit):
    listing = Rows(0)
    assert listing.read(kit) == 0
    assert listing.calls == 2


def test_one_empty_answer_is_no_proof_of_an_empty_list(kit):
    listing = Rows(30)

    def answer(request):
        page = listing.answer(request)
        return Page([], request.limit) if listing.calls == 1 else page

    order = kit.order("v", value=lambda row: row["v"], identity=lambda row: row["_id"], unique=True)
    assert sum(len(batch.rows) for batch in scan(answer, order, limit=100)) == 30


@pytest.mark.parametrize(
    ("rows", "gives", "calls"), [(3, 100, 1), (0, 100, 1), (3, 3, 2), (3, 0, 2)]
)
def test_a_list_shorter_than_a_page_is_known_to_be_costs_one_call(kit, rows, gives, calls):
    held = Rows(rows)
    order = kit.order("v", value=lambda row: row["v"], identity=lambda row: row["_id"], unique=True)
    seen = [row for batch in scan(held.answer, order, limit=50, gives=gives) for row in batch.rows]
    assert len(seen) == rows
    assert held.calls == calls
