"""Where a cursor does not do: rows without it, groups that fill a page, servers out of order."""

from __future__ import annotations

import pytest

from planhat_api.paging import CannotSortError, Page, Position, ScanError
from planhat_api.scan import MOST_MISSES, scan


def ids(batches):
    return [row["_id"] for batch in batches for row in batch.rows]


def times(rows):
    return [row["updatedAt"] or "" for row in rows]


def pages(request):
    return not request.probe and not request.sort.startswith("-")


# Rows without the cursor.


def test_rows_without_the_cursor_come_with_every_incremental_reading(kit):
    listing = kit.filled(50, lacking=4)
    lacking = {row["_id"] for row in listing.rows if row["updatedAt"] is None}
    start = Position(max(times(listing.rows)))
    first, *_ = listing.read(kit.by_time, limit=10, start=start)
    assert set(ids([first])) == lacking
    assert first.position == start
    assert not listing.lost


def test_rows_without_the_cursor_that_fill_a_page_are_asked_for_in_the_widest(kit):
    listing = kit.filled(50, lacking=12)
    listing.read(kit.by_time, limit=10, widest=20, start=Position(max(times(listing.rows))))
    assert not listing.lost
    assert [r.widest for r in listing.requests if pages(r)] == [False, True]


def test_rows_without_the_cursor_that_fill_the_widest_page_need_another_cursor(kit):
    listing = kit.filled(50, lacking=20)
    with pytest.raises(CannotSortError, match="rows without updatedAt fill a whole page"):
        listing.read(kit.by_time, limit=10, widest=20, start=Position(max(times(listing.rows))))


def test_a_cursor_no_row_can_lack_is_not_looked_for(kit):
    listing = kit.filled(50)
    listing.read(kit.by_id, limit=10, start=Position(listing.rows[-1]["_id"]))
    assert [request.sort for request in listing.requests] == ["-_id"]


# Groups of ties that fill a page, and pages of single rows.


def test_a_group_of_ties_that_fills_a_page_is_asked_for_in_the_widest(kit):
    listing = kit.filled(5)
    listing.ties = 1
    for _ in range(15):
        listing.insert()
    listing.ties = 0
    for _ in range(40):
        listing.insert()
    listing.read(kit.by_time, limit=10, widest=30)
    assert not listing.lost
    widest = [request.limit for request in listing.requests if request.widest]
    assert widest == [30]
    assert [r.limit for r in listing.requests if pages(r)][-2:] == [10, 10]


def test_a_group_of_ties_that_fills_the_widest_page_needs_another_cursor(kit):
    listing = kit.filled(50, ties=1)
    for widest in (None, 10, 30):
        with pytest.raises(CannotSortError, match="one value of updatedAt fills a whole page"):
            listing.read(kit.by_time, limit=10, widest=widest)
    assert len(listing.requests) < 40


def answers_with(rows, counts):
    """Answer pages with so many rows at most, and looks at the end with one."""
    counts = iter(counts)

    def fetch(request):
        falling = request.sort.startswith("-")
        most = next(counts, request.limit) if pages(request) else 1
        found = rows[::-1] if falling else rows
        return Page(
            found[request.offset : request.offset + min(most, request.limit)], request.limit
        )

    return fetch


def test_short_pages_that_lead_nowhere_are_not_taken_for_a_group_that_fills_them(kit):
    rows = [{"_id": str(n), "updatedAt": time} for n, time in enumerate("12334567")]
    batches = scan(answers_with(rows, [3, 5, 2, 2, 2, 2]), kit.by_time, limit=5)
    assert set(ids(batches)) == {row["_id"] for row in rows}


@pytest.mark.parametrize(("limit", "moments"), [(20, (0, 1)), (10, (2,))])
def test_a_row_that_comes_and_goes_behind_a_page_does_not_make_it_full(kit, limit, moments):
    """The rows share their cursor, so that only a look behind the page can show the end."""
    listing = kit.filled(15, ties=1)
    listing.begin(kit.by_time, Position())

    def fetch(request):
        if not request.probe or sum(asked.probe for asked in listing.requests) not in moments:
            return listing.answer(request)
        listing.insert()
        page = listing.answer(request)
        listing.leave(listing.rows[-1])
        return page

    listing.take(scan(fetch, kit.by_time, limit=limit, widest=max(limit, 20)))
    assert not listing.lost


def test_a_list_cut_to_single_rows_is_an_error(kit):
    listing = kit.filled(20, cap=1)
    with pytest.raises(ScanError, match="cut to single rows") as raised:
        listing.read(kit.by_id, limit=10)
    assert not isinstance(raised.value, CannotSortError)
    assert len(listing.requests) < 4 * MOST_MISSES


def test_a_list_that_moves_at_every_request_is_an_error(kit):
    """Single rows are found before the start, and pages at the same place begin behind it."""
    asked = []

    def fetch(request):
        asked.append(request)
        assert len(asked) < 10**4
        rows = [{"_id": "3"}] if request.probe else [{"_id": "7"}, {"_id": "8"}]
        return Page(rows[::-1] if request.sort.startswith("-") else rows, request.limit)

    with pytest.raises(ScanError, match="moves at every request"):
        list(scan(fetch, kit.by_id, limit=10, start=Position("5", offset=50)))
    assert sum(map(pages, asked)) == MOST_MISSES


@pytest.mark.parametrize("start", [None, "0000", "0005", "0025"])
@pytest.mark.parametrize("ignores", ["nothing", "descending"])
def test_a_list_that_always_comes_from_its_beginning_is_an_error(kit, start, ignores):
    rows = [{"_id": f"{number:04d}", "updatedAt": f"{number:04d}"} for number in range(40)]
    asked = []

    def fetch(request):
        asked.append(request)
        assert len(asked) < 10**4
        falling = request.sort.startswith("-") and ignores == "nothing"
        return Page((rows[::-1] if falling else rows)[: request.limit], request.limit)

    for order in (kit.by_id, kit.by_time):
        with pytest.raises(ScanError):
            list(scan(fetch, order, limit=10, start=start and Position(start, offset=7)))


# Servers that do not keep to the order.


@pytest.mark.parametrize("ignores", ["order", "order, statically", "order, wildly"])
@pytest.mark.parametrize("start", [None, 1, 20, 39])
@pytest.mark.parametrize("offset", [None, 0, 35, 60])
def test_a_server_that_ignores_the_order_is_found_out(kit, ignores, start, offset):
    for seed in range(10):
        listing = kit.filled(40, ignores=ignores, seed=seed)
        for row in listing.random.sample(listing.rows, 20):
            listing.update(row)
        value = Position(sorted(times(listing.rows))[start], offset=offset) if start else None
        with pytest.raises(CannotSortError, match="does not keep to the order of updatedAt"):
            listing.read(kit.by_time, limit=10, start=value)


def test_a_single_row_out_of_order_far_before_the_start_is_not_skipped(kit):
    """Rows come as they were created, and the only row changed since is an old one."""
    for ties in (0, 1):
        listing = kit.filled(230, ignores="order", ties=ties)
        listing.ties = 0
        for _ in range(70):
            listing.insert()
        start = Position(listing.rows[-1]["updatedAt"], offset=299)
        listing.update(listing.rows[3])
        with pytest.raises(CannotSortError, match="does not keep to the order"):
            listing.read(kit.by_time, limit=50, widest=400, start=start)


def test_a_list_that_comes_newest_first_whatever_is_asked_is_found_out(kit):
    """Its first rows look like the end of a list in order, but for an old row changed since."""
    listing = kit.filled(300, ignores="order")
    start = Position(listing.rows[-5]["updatedAt"], offset=295)
    listing.update(listing.rows[3])
    listing.rows.reverse()
    with pytest.raises(CannotSortError, match="does not keep to the order"):
        listing.read(kit.by_time, limit=50, start=start)


def test_a_server_that_ignores_descending_is_not_asked_for_it_again(kit):
    listing = kit.filled(100, ignores="descending", cap=7)
    listing.read(kit.by_time, limit=10)
    assert not listing.lost
    assert [r.offset for r in listing.requests if r.sort.startswith("-")] == [0]
