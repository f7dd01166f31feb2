"""The rules of a rescan, one by one."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from tap_planhat.inventory.deletions import Fate, judge
from tap_planhat.inventory.entries import DIGEST, ID
from tap_planhat.inventory.folder import LocalFolder
from tap_planhat.inventory.increments import Increments
from tap_planhat.inventory.rescan import MOST_PARTS, Rescan
from tap_planhat.inventory.shelf import EntryKind, Named, Shelf

BEGAN = "2026-03-01T00:00:00.000Z"
NOW = datetime(2026, 3, 1, 0, 0, 5, tzinfo=timezone.utc)
SHELVES = []


@pytest.fixture(autouse=True)
def _closed():
    yield
    while SHELVES:
        SHELVES.pop().close()


@pytest.fixture
def shelf(tmp_path):
    def make(saved=None, *, reach="all", shape="plain"):
        kind = EntryKind("tasks", ID, shape, reach)
        folder = LocalFolder(str(tmp_path))
        SHELVES.append(Shelf(folder, kind, Named.of("tasks", saved), lambda: NOW))
        return SHELVES[-1]

    return make


def row_id(number):
    return number.to_bytes(ID, "big")


def digest(number):
    return bytes([number]) * DIGEST


def read(rescan, rows):
    """Read rows as (id, digest); return the ids of those to emit."""
    places = rescan.news([row_id(n) for n, _ in rows], [digest(d) for _, d in rows])
    return [rows[place][0] for place in places]


def base_of(shelf, numbers, value=1):
    """Read rows into a base, and return what STATE says then."""
    made = shelf()
    rescan = Rescan(made, BEGAN)
    read(rescan, [(n, value) for n in numbers])
    rescan.flush()
    rescan.finish(())
    return made.named.saved()


def nothing():
    raise AssertionError("nothing should be read again")


def ask_nothing(_):
    raise AssertionError("nothing should be asked for")


def ended(rescan, **how):
    rescan.flush()
    verdict = judge(rescan, **{"ask": None, "read_again": nothing, **how})
    if verdict is None:
        rescan.withhold()
        return None
    rescan.finish(verdict.kept)
    return [int.from_bytes(each, "big") for each in verdict.gone]


def test_what_is_new_or_differs_is_emitted_and_what_is_the_same_is_not(shelf):
    saved = base_of(shelf, range(10))
    rescan = Rescan(shelf(saved), BEGAN)
    assert read(rescan, [(1, 1), (2, 2), (11, 1)]) == [2, 11]


def test_what_cannot_be_noted_is_always_emitted(shelf):
    rescan = Rescan(shelf(base_of(shelf, range(3))), BEGAN)
    assert list(rescan.news([None, row_id(1)], [digest(1), digest(1)])) == [0]


def test_a_row_seen_twice_is_emitted_again_only_if_it_differs_from_the_last_time(shelf):
    saved = base_of(shelf, range(10))
    rescan = Rescan(shelf(saved), BEGAN)
    assert read(rescan, [(1, 2), (2, 1), (1, 2), (1, 1)]) == [1, 1]
    rescan.flush()
    assert read(rescan, [(1, 1), (2, 2), (1, 3)]) == [2, 1]


def test_what_incremental_syncs_emitted_counts_and_the_last_of_it_most(shelf):
    made = shelf(base_of(shelf, range(10)))
    increments = Increments(made)
    for value in range(2, 20):
        increments.note([row_id(1), row_id(value)], [digest(value), digest(value)])
        increments.flush()
    assert len(made.named.small) <= 9
    rescan = Rescan(shelf(made.named.saved()), BEGAN)
    assert read(rescan, [(1, 19), (2, 1), (19, 19)]) == [2]
    assert read(rescan, [(1, 1)]) == [1]


def test_many_parts_become_few_and_say_the_same(shelf):
    made = shelf()
    rescan = Rescan(made, BEGAN)
    for number in range(200):
        read(rescan, [(number, number), (number + 1, number)])
        rescan.flush()
        assert len(made.named.parts) <= MOST_PARTS
    assert ended(rescan) == []
    rescan = Rescan(shelf(made.named.saved()), BEGAN)
    assert read(rescan, [(n, n) for n in range(200)]) == []
    assert read(rescan, [(200, 199)]) == []


def test_a_reading_goes_on_from_the_parts_that_state_names(shelf):
    made = shelf(base_of(shelf, range(10)))
    rescan = Rescan(made, BEGAN)
    read(rescan, [(1, 2), (2, 1)])
    rescan.flush()
    rescan = Rescan(shelf(made.named.saved()), BEGAN, resumed=True)
    assert rescan.resumed
    assert read(rescan, [(1, 2), (3, 1)]) == []
    assert ended(rescan) == [0, 4, 5, 6, 7, 8, 9]


def test_rows_a_dead_run_may_have_loaded_are_emitted_if_they_differ_from_it(shelf):
    saved = base_of(shelf, range(10))
    read(Rescan(shelf(saved), BEGAN), [(1, 2), (99, 1)])
    rescan = Rescan(shelf(saved), BEGAN)
    assert read(rescan, [(1, 1), (2, 1)]) == [1]
    read(rescan, [(n, 1) for n in (0, *range(3, 10))])
    assert ended(rescan) == [99]


def test_an_edit_that_a_resumed_reading_has_passed_is_emitted_by_the_next(shelf):
    made = shelf(base_of(shelf, range(3)))
    rescan = Rescan(made, BEGAN)
    read(rescan, [(1, 1)])
    rescan.flush()
    saved = made.named.saved()
    # Another run goes on from here, to its end and beyond, and STATE is put back.
    increments = Increments(shelf(saved))
    increments.note([row_id(1)], [digest(2)])
    increments.flush()
    made = shelf(saved)
    rescan = Rescan(made, BEGAN, resumed=True)
    assert read(rescan, [(0, 1), (2, 1)]) == []
    assert ended(rescan) == []
    assert read(Rescan(shelf(made.named.saved()), BEGAN), [(0, 1), (1, 1), (2, 1)]) == [1]


def test_what_only_stray_files_hold_is_not_named_where_the_reading_has_passed_already(shelf):
    made = shelf(base_of(shelf, (1, 5)))
    rescan = Rescan(made, BEGAN)
    read(rescan, [(1, 1)])
    rescan.flush()
    saved = made.named.saved()
    increments = Increments(shelf(saved))
    increments.note([row_id(0)], [digest(1)])
    increments.flush()
    made = shelf(saved)
    rescan = Rescan(made, BEGAN, resumed=True)
    read(rescan, [(5, 1)])
    assert ended(rescan) == []
    made = shelf(made.named.saved())
    rescan = Rescan(made, BEGAN)
    read(rescan, [(1, 1), (5, 1)])
    assert ended(rescan) == [0]


@pytest.mark.parametrize("harm", ["missing", "cut", "altered", "of another range"])
def test_without_its_files_everything_is_emitted_and_nothing_named(shelf, tmp_path, caplog, harm):
    saved = base_of(shelf, range(10))
    path = tmp_path / saved["base"]
    if harm == "missing":
        path.unlink()
    elif harm == "cut":
        path.write_bytes(path.read_bytes()[:-1])
    elif harm == "altered":
        path.write_bytes(path.read_bytes()[:-1] + b"!")
    made = shelf(saved, reach="less" if harm == "of another range" else "all")
    rescan = Rescan(made, BEGAN)
    assert read(rescan, [(1, 1)]) == [1]
    rescan.flush()
    # Also through an interruption.
    made = shelf(made.named.saved(), reach=made.kind.range)
    rescan = Rescan(made, BEGAN, resumed=True)
    assert rescan.resumed
    assert read(rescan, [(2, 1)]) == [2]
    assert ended(rescan) == []
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 1
    assert "the inventory cannot be used" in lines[0]
    rescan = Rescan(shelf(made.named.saved(), reach=made.kind.range), BEGAN)
    assert read(rescan, [(2, 1)]) == []
    assert ended(rescan) == [1]


def test_a_reading_in_another_shape_begins_anew(shelf):
    made = shelf(base_of(shelf, range(10)))
    rescan = Rescan(made, BEGAN)
    read(rescan, [(1, 1)])
    rescan.flush()
    rescan = Rescan(shelf(made.named.saved(), shape="fewer columns"), BEGAN, resumed=True)
    assert not rescan.resumed
    assert read(rescan, [(n, 9) for n in range(9)]) == list(range(9))
    assert ended(rescan) == [9]


def test_a_damaged_file_of_a_dead_run_makes_everything_come(shelf, tmp_path):
    saved = base_of(shelf, range(10))
    before = set(tmp_path.iterdir())
    read(Rescan(shelf(saved), BEGAN), [(1, 2)])
    (path,) = set(tmp_path.iterdir()) - before
    path.write_bytes(b"")
    assert read(Rescan(shelf(saved), BEGAN), [(1, 1), (2, 1)]) == [1, 2]


def test_where_more_than_half_is_missing_nothing_is_named_until_it_is_missing_again(shelf):
    made = shelf(base_of(shelf, range(250)))
    rescan = Rescan(made, BEGAN)
    assert read(rescan, [(n, 2) for n in range(100)]) == list(range(100))
    assert ended(rescan, ask=ask_nothing) is None
    # 50 more have gone since; of them the next one tells.
    for _ in range(2):
        made = shelf(made.named.saved())
        rescan = Rescan(made, BEGAN)
        assert read(rescan, [(n, 2) for n in range(50)]) == []
        if _ == 0:
            assert ended(rescan) == list(range(100, 250))
    assert ended(rescan) == list(range(50, 100))


def test_a_few_missing_rows_are_named_however_few_there_were(shelf):
    rescan = Rescan(shelf(base_of(shelf, range(100))), BEGAN)
    assert ended(rescan) == list(range(100))


def test_a_row_is_named_only_if_asking_for_it_shows_that_it_is_gone(shelf):
    fates = {1: Fate.GONE, 2: Fate.INSIDE, 3: Fate.OUTSIDE}
    made = shelf(base_of(shelf, range(4)))
    rescan = Rescan(made, BEGAN)
    read(rescan, [(0, 1)])
    assert ended(rescan, ask=lambda each: fates[int.from_bytes(each, "big")]) == [1]
    rescan = Rescan(shelf(made.named.saved()), BEGAN)
    assert read(rescan, [(0, 1), (2, 1)]) == [2]
    assert ended(rescan, ask=ask_nothing) == []


def test_many_are_looked_for_in_the_lists_again_before_they_are_asked_for(shelf):
    asked = []

    def ask(each):
        asked.append(int.from_bytes(each, "big"))
        return Fate.GONE

    rescan = Rescan(shelf(base_of(shelf, range(4000))), BEGAN)
    read(rescan, [(n, 1) for n in range(2500)])
    gone = ended(rescan, ask=ask, read_again=lambda: map(row_id, range(3999)))
    assert gone == asked == [3999]
