"""A file of an inventory is believed only as it was written."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from tap_planhat.inventory.entries import DIGEST, ID, EntryTable, Layer, compare, merge
from tap_planhat.inventory.files import UnusableError, new_key, new_name, read, stamped, write
from tap_planhat.inventory.folder import InventoryError, LocalFolder
from tap_planhat.inventory.shelf import EntryKind, Named, Shelf

NOW = datetime(2026, 3, 1, tzinfo=timezone.utc)
KIND = EntryKind("tasks", ID, "plain", "all")


def entries(*numbers, digest=1):
    return {n.to_bytes(ID, "big"): bytes([digest]) * DIGEST for n in numbers}


def shelf_in(folder, saved=None, *, now=NOW):
    shelf = Shelf(LocalFolder(str(folder)), KIND, Named.of("tasks", saved), lambda: now)
    OPEN.append(shelf)
    return shelf


OPEN = []


@pytest.fixture(autouse=True)
def _closed():
    yield
    while OPEN:
        OPEN.pop().close()


def add(shelf, *numbers, **how):
    return shelf.add(merge([Layer(EntryTable.of(entries(*numbers)))]), **how)


def test_a_file_holds_28_bytes_a_row(tmp_path):
    shelf = shelf_in(tmp_path)
    name = add(shelf, *range(10_000), began="2026-03-01T00:00:00.000Z", replaces=["a"])
    assert (tmp_path / name).stat().st_size < 28 * 10_000 + 1000
    table = shelf.table(name)
    assert table.count == 10_000
    assert table.find([bytes(ID)], bytes(ID), bytes(ID)) == entries(0)
    assert shelf.header(name).replaces == ("a",)


def test_only_whole_files_have_a_name(tmp_path):
    shelf = shelf_in(tmp_path)
    name = add(shelf, 1)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_pieces_that_cannot_be_made_leave_nothing_behind(tmp_path):
    def pieces():
        yield b"1" * 28
        raise RuntimeError

    with pytest.raises(RuntimeError):
        shelf_in(tmp_path).add(pieces())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("place", [0, 25, 60, 90, -1])
def test_an_altered_byte_is_noticed_wherever_it_is(tmp_path, place):
    shelf = shelf_in(tmp_path)
    path = tmp_path / add(shelf, *range(100))
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
    with pytest.raises(UnusableError, match="is damaged"):
        shelf.table(path.name)


@pytest.mark.parametrize("left", [0, 10, 21, 54, 80, 500])
def test_a_file_that_is_cut_is_noticed(tmp_path, left):
    shelf = shelf_in(tmp_path)
    path = tmp_path / add(shelf, *range(100))
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(UnusableError, match="is damaged"):
        shelf.table(path.name)


def test_a_missing_file_is_told_by_its_name(tmp_path):
    with pytest.raises(UnusableError, match=r"tasks-1\.x is missing"):
        read(LocalFolder(str(tmp_path)), "tasks-1.x")


def test_names_tell_when_a_file_was_written():
    name = new_name(new_key("tasks"), NOW)
    assert stamped(name) == "20260301T000000"
    assert stamped(f".{name}") == stamped("tasks.txt") == ""
    assert new_name("tasks-0", NOW) != new_name("tasks-0", NOW)


def test_old_files_that_state_does_not_name_are_removed(tmp_path):
    shelf = shelf_in(tmp_path, now=NOW - timedelta(days=15))
    base, old, half = add(shelf, 1), add(shelf, 2), add(shelf, 3)
    (tmp_path / half).rename(tmp_path / f".{half}")
    young = add(shelf_in(tmp_path, {"key": shelf.named.key}, now=NOW - timedelta(days=13)), 3)
    other = add(shelf_in(tmp_path, now=NOW - timedelta(days=99)), 4)
    stranger = tmp_path / f"{shelf.named.key}.notes"
    stranger.touch()
    saved = {"key": shelf.named.key, "base": base}
    # What is younger than the base may not have been looked at yet.
    assert old in shelf_in(tmp_path, saved, now=NOW - timedelta(days=1)).listed
    saved["base"] = add(shelf_in(tmp_path, saved, now=NOW - timedelta(days=1)), 1)
    saved["small"] = [base]
    shelf_in(tmp_path, saved, now=NOW)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {base, saved["base"], young, other, stranger.name}


def test_a_folder_that_is_not_there_is_made(tmp_path):
    shelf = shelf_in(tmp_path / "new" / "folder")
    assert shelf.listed == []
    assert (tmp_path / "new" / "folder" / add(shelf, 1)).is_file()


def test_what_cannot_be_written_is_an_error_with_its_cause(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InventoryError, match=r"inventory_path \S+file cannot be written: it is"):
        add(shelf_in(tmp_path / "file"), 1)


def test_a_full_disk_is_an_error_in_words(tmp_path, monkeypatch):
    shelf = shelf_in(tmp_path)
    (tmp_path / "full").symlink_to("/dev/full")
    monkeypatch.setattr("tap_planhat.inventory.shelf.new_name", lambda *_: "full")
    (tmp_path / ".full").symlink_to("/dev/full")
    with pytest.raises(InventoryError, match=r"cannot be written: No space left on device"):
        add(shelf, *range(10_000))


@pytest.mark.untraced
def test_blocks_go_through_tables_of_any_length_together():
    import random

    chance = random.Random(1)
    for _ in range(12):
        sets = [
            set(
                chance.sample(range(30_000), chance.randrange(2500) if chance.random() < 0.9 else 0)
            )
            for _ in range(chance.randrange(1, 40))
        ]
        tables = [
            EntryTable.of(entries(*numbers, digest=at + 1)) for at, numbers in enumerate(sets)
        ]
        merged = {}
        for at, numbers in enumerate(sets):
            merged |= entries(*numbers, digest=at + 1)
        data = b"".join(merge([Layer(table) for table in tables]))
        assert data == b"".join(key + merged[key] for key in sorted(merged))
        half = len(tables) // 2
        gone, new = set(), set()
        for difference in compare(tables[:half], (), tables[half:]):
            gone |= difference.gone
            new |= difference.new
        before, now = set().union(*sets[:half]), set().union(*sets[half:])
        assert gone == entries(*(before - now)).keys()
        assert new == entries(*(now - before)).keys()


def test_what_is_said_by_state_comes_back_as_it_was():
    assert Named.of("tasks", None).saved().keys() == {"key"}
    named = Named("tasks-1", base="b", small=["s"], parts=["p"], withheld="s", blind=True)
    assert Named.of("tasks", named.saved()) == named


def test_a_written_file_needs_no_more_memory_than_its_pieces(tmp_path):
    write(LocalFolder(str(tmp_path)), "big", shelf_header(), (bytes(28) for _ in range(1000)))
    assert (tmp_path / "big").stat().st_size > 28_000


def shelf_header():
    from tap_planhat.inventory.files import Header

    return Header(ID, "plain", "all", "")
