"""Inventories in an object store: what fsspec and a real client make of the same promises."""

from __future__ import annotations

import secrets
from datetime import datetime, timezone

import pytest

from tap_planhat.inventory.entries import DIGEST, ID
from tap_planhat.inventory.files import UnusableError
from tap_planhat.inventory.folder import InventoryError, open_folder
from tap_planhat.inventory.shelf import EntryKind, Named, Shelf

ENTRY = bytes(ID) + b"1" * DIGEST


def shelf_in(folder):
    kind = EntryKind("tasks", ID, "plain", "all")
    now = datetime(2026, 3, 1, tzinfo=timezone.utc)
    shelf = Shelf(folder, kind, Named.of("tasks", None), lambda: now)
    OPEN.append(shelf)
    return shelf


OPEN = []


@pytest.fixture(autouse=True)
def _closed():
    yield
    while OPEN:
        OPEN.pop().close()


@pytest.fixture
def bucket(monkeypatch, untraced):
    """Serve S3 from this process, with one bucket in it."""
    with untraced():
        pytest.importorskip("moto")
        import boto3
        import s3fs
        from moto.server import ThreadedMotoServer

    s3fs.S3FileSystem.clear_instance_cache()

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    name = f"b{secrets.token_hex(8)}"
    boto3.client("s3").create_bucket(Bucket=name)
    yield name
    server.stop()


def test_files_are_kept_in_a_bucket(bucket):
    folder = open_folder(f"s3://{bucket}/planhat/inventory")
    shelf = shelf_in(folder)
    name = shelf.add([ENTRY])
    assert shelf.table(name).read(0, 1) == ENTRY
    assert folder.names("tasks-") == [name]
    folder.remove(name)
    assert folder.names("tasks-") == []
    with pytest.raises(UnusableError, match="is missing"):
        shelf_in(folder).table(name)


def test_a_bucket_that_is_not_there_is_an_error_in_words(bucket):
    shelf = shelf_in(open_folder(f"s3://{bucket}-2/planhat"))
    with pytest.raises(InventoryError, match=r"inventory_path s3://\S+ cannot be written: "):
        shelf.add([ENTRY])


def test_a_store_that_cannot_be_reached_is_an_error_and_no_missing_file(bucket, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    with pytest.raises(InventoryError, match=r"inventory_path s3://\S+ cannot be read: "):
        shelf_in(open_folder(f"s3://{bucket}/unreachable"))


def test_any_other_store_that_fsspec_knows_serves():
    folder = open_folder("memory://planhat/inventory")
    shelf = shelf_in(folder)
    name = shelf.add([ENTRY])
    assert shelf.table(name).count == 1
    assert folder.names("tasks-") == [name]


@pytest.mark.parametrize("url", ["nosuch://bucket/x", "nosuch://user:secret@bucket/x"])
def test_a_scheme_that_is_not_known_is_an_error_without_the_secret(url):
    with pytest.raises(InventoryError, match="inventory_path") as error:
        open_folder(url)
    assert "secret" not in str(error.value)
    assert "nosuch" in str(error.value)
