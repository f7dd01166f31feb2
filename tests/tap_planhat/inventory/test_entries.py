"""Tables of entries, looked into and walked through together."""

from __future__ import annotations

import random

import pytest

from tap_planhat.inventory import entries
from tap_planhat.inventory.entries import (
    DIGEST,
    ID,
    EntryTable,
    Layer,
    blocks,
    compare,
    merge,
    split,
)

BLOCK = 8


def row_id(number):
    return number.to_bytes(ID, "big")


def table(numbers, value=1):
    return EntryTable.of({row_id(number): bytes([value]) * DIGEST for number in numbers})


def numbers(ids):
    return sorted(int.from_bytes(each, "big") for each in ids)


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    monkeypatch.setattr(entries, "BLOCK", BLOCK)


@pytest.mark.parametrize("size", [3, 30, 900])
@pytest.mark.parametrize("wanted", [[0], [7], [2, 3], [0, 2, 5000], [1, 899, 900]])
def test_ids_are_found_however_many_others_lie_between(size, wanted):
    ids = list(map(row_id, wanted))
    found = table(range(size)).find(ids, ids[0], ids[-1])
    assert {each for each in ids if each in found} == {row_id(n) for n in wanted if n < size}
    assert set(found.values()) <= {bytes([1]) * DIGEST}


def test_of_many_entries_between_no_more_than_a_block_is_read_at_once():
    read = []
    whole = table(range(1000))

    def counted(first, last):
        read.append(last - first)
        return whole.read(first, last)

    ids = [row_id(number) for number in range(0, 1000, 9)]
    found = EntryTable(ID, 1000, counted).find(ids, ids[0], ids[-1])
    assert found.keys() == set(ids)
    assert max(read) == BLOCK


@pytest.mark.parametrize("seed", range(20))
def test_tables_are_walked_through_whole_in_one_order_a_block_at_a_time(seed):
    chance = random.Random(seed)
    start = 0
    tables = []
    for _ in range(chance.randrange(1, 6)):
        # They follow one another, or overlap.
        start = chance.choice((0, start, start + 50))
        tables.append(table(sorted(chance.sample(range(start, start + 60), chance.randrange(40)))))
    pieces = list(blocks(tables))
    for place, each in enumerate(tables):
        assert b"".join(group[place] for group in pieces) == each.read(0, each.count)
    reached = b""
    for group in pieces:
        ids = [each for data in group for each in split(data, ID)]
        assert len(ids) <= BLOCK
        assert min(ids) > reached
        reached = max(ids)


@pytest.mark.parametrize("seed", range(20))
def test_what_tables_differ_in_is_told_once(seed):
    chance = random.Random(seed)
    before, stray, now = (
        [chance.sample(range(100), chance.randrange(90)) for _ in range(chance.randrange(3))]
        for _ in range(3)
    )
    if seed % 2:
        # The same ids, other digests, and at times the ids of one of them exchanged.
        before, stray, now = [range(50)], [], [[*range(49), chance.choice((49, 77))]]
    groups = [
        [table(each, value) for each in group] for value, group in enumerate((before, stray, now))
    ]
    known, odd, read = ({n for each in group for n in each} for group in (before, stray, now))
    told = list(compare(*groups)) if any(map(len, groups)) else []
    assert numbers(n for each in told for n in each.gone) == sorted(known - read)
    assert numbers(n for each in told for n in each.stray) == sorted(odd - known - read)
    assert numbers(n for each in told for n in each.new) == sorted(read - known)


@pytest.mark.parametrize("seed", range(10))
def test_of_tables_that_become_one_the_latest_counts(seed):
    chance = random.Random(seed)
    layers, expected = [], {}
    for value in range(chance.randrange(1, 6)):
        ids = chance.sample(range(100), chance.randrange(60))
        layers.append(Layer(table(ids, value)))
        expected |= {row_id(number): bytes([value]) * DIGEST for number in ids}
    assert split(b"".join(merge(layers)), ID) == expected
