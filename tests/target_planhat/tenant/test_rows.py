"""The records of a tenant in a file without a name."""

from __future__ import annotations

import gc
import sqlite3
import tempfile
from pathlib import Path

import pytest

from planhat_api.resources import CONVERSATIONS, TASKS
from target_planhat.tenant.rows import StoreError, TenantRows

ID, OTHER_ID = "5f1b7a9e1a2b3c4d5e6f7a8b", "5f1b7a9e1a2b3c4d5e6f7a8c"


def filled(*rows, resource=TASKS, properties=("action", "custom")):
    made = TenantRows(resource, properties)
    made.read([list(rows)])
    return made


def found(rows, **keys):
    return {name: [one.row for one in hits] for name, hits in rows.candidates(keys).items()}


def test_records_are_found_by_each_of_their_keys():
    row = {"_id": ID, "externalId": "x", "sourceId": "s", "companyId": "c", "date": "d"}
    rows = filled(row, resource=CONVERSATIONS, properties=["date"])
    assert found(rows, _id=ID.upper(), externalId="x", sourceId="s") == {
        "_id": [row],
        "externalId": [row],
        "sourceId": [row],
    }
    assert found(rows, sourceId="S") == {"sourceId": []}
    assert rows.has(ID.upper())
    assert not rows.has(OTHER_ID)


def test_several_records_with_one_key_are_all_found():
    rows = filled({"_id": ID, "sourceId": "s"}, {"_id": OTHER_ID, "sourceId": "s"})
    assert [row["_id"] for row in found(rows, sourceId="s")["sourceId"]] == [ID, OTHER_ID]


def test_a_blank_key_is_none():
    rows = filled({"_id": ID, "sourceId": ""})
    assert found(rows, sourceId="") == {"sourceId": []}


def test_the_later_of_two_readings_of_a_record_counts():
    rows = TenantRows(TASKS, ["action"])
    rows.read([[{"_id": ID, "action": "old"}], [{"_id": ID, "action": "new"}]])
    assert found(rows, _id=ID) == {"_id": [{"_id": ID, "action": "new"}]}


def test_only_what_is_asked_for_is_kept_and_what_is_carried_is_known():
    rows = filled({"_id": ID, "action": None, "status": "x", "custom": {"Tier": None}})
    assert found(rows, _id=ID)["_id"][0].keys() == {"_id", "action", "custom"}
    assert set(rows.carried) == {"_id", "action", "custom", "custom.Tier"}


def test_a_tenant_without_records_is_known_to_be_empty():
    assert filled().was_empty
    assert not filled({"_id": ID}).was_empty


def test_what_was_written_is_found_as_it_was_written():
    rows = filled({"_id": ID, "sourceId": "s", "action": "old", "custom": {"a": 1, "b": 2}})
    [before] = rows.candidates({"_id": ID})["_id"]
    rows.put(before, {"action": "new", "custom": {"b": 3}, "sourceId": "t"}, None)
    row = {"_id": ID, "action": "new", "custom": {"a": 1, "b": 3}, "sourceId": "t"}
    assert found(rows, sourceId="t", _id=ID) == {"sourceId": [row], "_id": [row]}
    assert found(rows, sourceId="s") == {"sourceId": []}


def test_a_new_record_is_found_by_its_keys_and_the_id_it_was_given():
    rows = filled()
    rows.put(None, {"sourceId": "s", "_id": OTHER_ID}, ID)
    rows.put(None, {"sourceId": "t"}, None)
    assert found(rows, _id=ID)["_id"] == found(rows, sourceId="s")["sourceId"]
    assert found(rows, _id=OTHER_ID) == {"_id": []}
    assert len(found(rows, sourceId="t")["sourceId"]) == 1


def test_what_is_written_does_not_count_as_carried_by_lists():
    rows = filled({"_id": ID})
    rows.put(None, {"action": "Call"}, None)
    assert "action" not in rows.carried


def test_a_record_that_is_forgotten_is_still_there_but_not_certain():
    rows = filled({"_id": ID, "sourceId": "s", "action": "Call"})
    rows.forget(rows.candidates({"_id": ID})["_id"][0])
    [one] = rows.candidates({"sourceId": "s"})["sourceId"]
    assert not one.certain
    rows.put(one, {"action": "Meet"}, None)
    assert not rows.candidates({"sourceId": "s"})["sourceId"][0].certain


def test_a_record_that_is_deleted_is_gone():
    rows = filled({"_id": ID, "sourceId": "s"}, {"_id": OTHER_ID})
    rows.remove(rows.candidates({"sourceId": "s"})["sourceId"][0])
    assert not rows.has(ID)
    assert rows.has(OTHER_ID)


def test_nothing_is_left_in_the_folder_for_temporary_files(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    rows = filled(*({"_id": f"{number:024x}", "action": "x" * 1000} for number in range(5000)))
    assert list(tmp_path.iterdir()) == []
    assert rows.has(f"{4999:024x}")
    rows.close()


def test_a_store_that_is_no_longer_used_closes_its_file():
    rows = filled({"_id": ID})
    file = rows._file
    del rows
    gc.collect()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        file.execute("SELECT 1")


def test_a_folder_that_cannot_be_written_is_an_error_in_words(monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    with pytest.raises(StoreError, match="in /nowhere"):
        TenantRows(TASKS, [])


def test_a_full_disk_is_an_error_in_words():
    rows = TenantRows(TASKS, ["action"])
    rows._file.execute("PRAGMA max_page_count = 20")
    with pytest.raises(StoreError, match="full"):
        rows.read([[{"_id": f"{number:024x}", "action": "x" * 900} for number in range(999)]])


def test_a_reading_that_fails_leaves_no_half_knowledge():
    def batches():
        yield [{"_id": ID}]
        raise sqlite3.OperationalError

    rows = TenantRows(TASKS, [])
    with pytest.raises(StoreError):
        rows.read(batches())
    assert Path(tempfile.gettempdir()).is_dir()
