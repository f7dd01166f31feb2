"""What the scan promises and each thing that keeps it, on lists small enough to follow."""

from __future__ import annotations

import pytest

from planhat_api.paging import Page, Position
from planhat_api.scan import TAIL_ROWS, scan


def ids(batches):
    return [row["_id"] for batch in batches for row in batch.rows]


def times(rows):
    return [row["updatedAt"] or "" for row in rows]


def after(chosen, *changes):
    """Make the next change of a list each time it has answered a request that is chosen."""
    pending = iter(changes)

    def fetch(listing):
        def answer(request):
            page = listing.answer(request)
            if chosen(request) and (change := next(pending, None)):
                change()
            return page

        return answer

    return fetch


def pages(request):
    return not request.probe and not request.sort.startswith("-")


# Lists that stand still.


@pytest.mark.parametrize("count", [0, 1, 2, 3, 9, 10, 11, 57])
@pytest.mark.parametrize("ties", [0, 0.5, 1])
@pytest.mark.parametrize("ignores", ["nothing", "descending"])
def test_every_row_of_a_list_that_stands_still_comes_once(kit, count, ties, ignores):
    for order in (kit.by_id, kit.by_time):
        listing = kit.filled(count, ties=ties, ignores=ignores)
        batches = listing.read(order, limit=10, widest=80)
        assert sorted(ids(batches)) == sorted(row["_id"] for row in listing.rows)


@pytest.mark.parametrize("ties", [0, 0.6])
def test_batches_ascend_and_say_how_far_they_bring_the_reading(kit, ties):
    listing = kit.filled(97, ties=ties, lacking=3)
    batches = listing.read(kit.by_time, limit=10)
    rows = [row for batch in batches for row in batch.rows]
    assert times(rows) == sorted(times(rows))
    read = set()
    for batch in batches:
        read.update((row["updatedAt"] or "", row["_id"]) for row in batch.rows)
        greatest = max(time for time, _ in read)
        assert batch.position.value == greatest
        assert batch.position.ids == {key for time, key in read if time == greatest}
        assert sorted(times(listing.rows))[batch.position.offset] == greatest


def test_rows_before_the_start_are_not_handed_out(kit):
    listing = kit.filled(60, ties=0.5)
    start = sorted(times(listing.rows))[40]
    for offset in (None, 0, 40, 10**6):
        batches = listing.read(kit.by_time, limit=10, start=Position(start, offset=offset))
        expected = sorted(row["_id"] for row in listing.rows if row["updatedAt"] >= start)
        assert sorted(ids(batches)) == expected


def test_a_start_behind_the_last_row_finds_nothing_and_keeps_its_place(kit):
    start = Position("99999999", frozenset({"gone"}), 70)
    (batch,) = kit.filled(60).read(kit.by_time, limit=10, start=start)
    assert batch.rows == []
    assert batch.position == start


@pytest.mark.parametrize("count", [0, 1])
def test_a_start_in_a_list_with_next_to_nothing_in_it_ends_well(kit, count):
    for order in (kit.by_id, kit.by_time):
        listing = kit.filled(count)
        listing.read(order, limit=10, start=Position("00000001"))
        assert not listing.lost


@pytest.mark.parametrize("kept", ["all", "offset", "ids", "value"])
@pytest.mark.parametrize("ties", [0, 0.6])
def test_a_reading_killed_after_any_batch_goes_on_from_its_position(kit, kept, ties):
    whole = len(kit.filled(60, ties=ties, lacking=2).read(kit.by_time, limit=10, widest=40))
    for killed in range(1, whole):
        listing = kit.filled(60, ties=ties, lacking=2)
        order = kit.by_time
        listing.begin(order, Position())
        batches = scan(listing.answer, order, limit=10, widest=40)
        *_, last = (batch for _, batch in zip(range(killed), batches, strict=False))
        for row in listing.rows:
            if (row["updatedAt"] or "") < last.position.value or row["_id"] in last.position.ids:
                listing.seen.add(row["_id"])
        for _ in range(5):
            listing.change()
        start = Position(
            last.position.value,
            last.position.ids if kept in ("all", "ids") else frozenset(),
            last.position.offset if kept in ("all", "offset") else None,
        )
        again = listing.take(scan(listing.answer, order, limit=10, widest=40, start=start))
        assert not listing.lost
        if kept in ("all", "ids"):
            rows = [row for batch in again for row in batch.rows]
            assert not last.position.ids & {r["_id"] for r in rows if r["updatedAt"] == start.value}


# Lists that change: each protection by itself.


def test_a_page_that_begins_behind_the_last_one_is_asked_for_from_further_back(kit):
    listing = kit.filled(40)

    def lose_ten():
        for row in listing.rows[:10]:
            listing.leave(row)

    listing.begin(kit.by_id, Position())
    listing.take(scan(after(pages, lose_ten)(listing), kit.by_id, limit=10))
    assert not listing.lost


def test_stepping_back_goes_no_further_than_the_beginning_of_the_list(kit):
    listing = kit.filled(40, cap=3)

    def lose_two():
        for row in listing.rows[:2]:
            listing.leave(row)

    listing.begin(kit.by_id, Position())
    listing.take(scan(after(pages, lose_two)(listing), kit.by_id, limit=80))
    assert not listing.lost


def test_rows_that_share_the_last_cursor_are_covered_again_by_one_answer(kit):
    listing = kit.filled(0)
    for number, time in enumerate("112333345"):
        listing.rows.append({"_id": str(number), "updatedAt": time})

    def fetch(request):
        """Answer with the group of 3 in the opposite order at each request."""
        listing.rows.reverse()
        rows = sorted(listing.rows, key=lambda row: row["updatedAt"])
        listing.requests.append(request)
        found = rows[::-1] if request.sort.startswith("-") else rows
        return Page(found[request.offset : request.offset + request.limit], request.limit)

    listing.begin(kit.by_time, Position())
    listing.take(scan(fetch, kit.by_time, limit=6))
    assert not listing.lost


def test_a_page_that_begins_with_the_last_cursor_does_not_do_where_rows_share_it(kit):
    """Two rows of the group change places just as rows before them leave."""
    cursors = zip("abcdefgh", "12333456", strict=True)
    rows = [{"_id": key, "updatedAt": time} for key, time in cursors]
    asked = []

    def fetch(request):
        asked.append(request)
        if len(asked) == 1:
            return Page(rows[:4], 4)
        # "a" and "b" have gone, and of the group "e" comes before "c" and "d" now.
        now = [rows[4], rows[2], rows[3], *rows[5:]]
        found = now[::-1] if request.sort.startswith("-") else now
        return Page(found[request.offset : request.offset + request.limit], request.limit)

    assert set(ids(scan(fetch, kit.by_time, limit=4))) >= set("cdefgh")


def test_the_offset_advances_by_rows_received_not_by_rows_asked_for(kit):
    listing = kit.filled(60, cap=7)
    listing.read(kit.by_id, limit=20)
    assert not listing.lost
    found = [request.offset for request in listing.requests if pages(request)]
    assert found[:3] == [0, 6, 12]


def test_a_page_asked_for_in_halves_does_not_end_the_list(kit):
    for seed in range(20):
        listing = kit.filled(100, halved=0.5, seed=seed, ignores="descending")
        listing.read(kit.by_id, limit=10)
        assert not listing.lost


def test_a_row_that_came_with_the_last_look_at_the_end_is_handed_out_and_counted(kit):
    listing = kit.filled(15)
    listing.begin(kit.by_time, Position())
    fetch = after(lambda r: pages(r) and r.offset > 0, listing.insert)(listing)
    *_, last = listing.take(scan(fetch, kit.by_time, limit=10))
    newest = listing.rows[-1]
    assert last.rows == [newest]
    assert last.position == Position(newest["updatedAt"], frozenset({newest["_id"]}), 15)


def test_a_tie_of_the_last_row_found_at_the_end_joins_the_position(kit):
    listing = kit.filled(15)

    def insert_tie():
        listing.ties = 1
        listing.insert()

    fetch = after(lambda r: pages(r) and r.offset > 0, insert_tie)(listing)
    *_, last = listing.take(scan(fetch, kit.by_time, limit=10))
    assert last.position.value == listing.rows[-1]["updatedAt"]
    assert last.position.ids == {row["_id"] for row in listing.rows[-2:]}


def test_the_end_does_not_count_where_it_does_not_reach_back_to_the_last_row(kit):
    listing = kit.filled(15)

    def insert_many():
        for _ in range(TAIL_ROWS + 50):
            listing.insert()
        listing.begin(kit.by_id, Position())

    fetch = after(lambda r: pages(r) and r.offset > 0, insert_many)(listing)
    listing.take(scan(fetch, kit.by_id, limit=10, widest=10**4))
    assert not listing.lost


def test_the_end_in_one_value_proves_nothing_where_descending_is_ignored(kit):
    """The rows said to be the last are the first, and lie before the last one read."""
    listing = kit.filled(TAIL_ROWS + 50, ties=1, ignores="descending", cap=TAIL_ROWS + 100)
    listing.ties = 0
    for _ in range(100):
        listing.insert()
    listing.read(kit.by_time, limit=400)
    assert not listing.lost


def test_a_short_page_is_not_the_end_while_there_is_a_row_behind_it(kit):
    for seed in range(20):
        listing = kit.filled(40, short=0.5, seed=seed, ignores="descending")
        listing.read(kit.by_id, limit=10)
        assert not listing.lost


def test_nothing_behind_a_page_is_not_the_end_where_rows_before_it_went_meanwhile(kit):
    listing = kit.filled(3, cap=2, ignores="descending")
    listing.begin(kit.by_time, Position())

    def lose_first():
        listing.leave(listing.rows[0])

    before_probe = after(lambda r: pages(r) and r.limit == 10 and not listing.seen, lose_first)
    listing.take(scan(before_probe(listing), kit.by_time, limit=10))
    assert not listing.lost


@pytest.mark.parametrize("ignores", ["nothing", "descending"])
def test_a_unique_cursor_that_moves_does_not_pass_for_the_last_row(kit, ignores):
    """The last row read is updated, and the next page begins with it, at the end of the list."""
    listing = kit.filled(12, ignores=ignores)
    listing.begin(kit.by_unique_time, Position())

    def shift():
        last = sorted(listing.rows, key=lambda row: row["updatedAt"])[4]
        for row in listing.rows[5:8]:
            listing.update(row)
        listing.update(last)

    listing.take(scan(after(pages, shift)(listing), kit.by_unique_time, limit=5))
    assert not listing.lost


def test_the_page_once_more_must_be_as_long_as_before_to_prove_the_end(kit):
    rows = [{"_id": key} for key in "1234"]
    asked = []

    def fetch(request):
        """Answer a look at the end with the first rows, and cut the second page to 2 rows."""
        asked.append(request)
        if request.probe and len(rows) == 4:
            rows.pop(0)
        most = 1 if request.sort.startswith("-") else {1: 3, 4: 2}.get(len(asked), request.limit)
        return Page(rows[request.offset : request.offset + most], request.limit)

    batches = list(scan(fetch, kit.by_id, limit=5))
    assert ids(batches) == ["1", "2", "3", "4"]


def test_pages_that_led_nowhere_now_and_then_do_not_add_up_to_an_error(kit):
    listing = kit.filled(1_000, short=0.6)
    listing.read(kit.by_id, limit=4)
    assert not listing.lost
