"""A reject file while it is replayed; tests/e2e/target/test_target_replay.py has the command."""

from __future__ import annotations

import pytest

from target_planhat.batch import replay as module
from target_planhat.batch.replay import ReplayFile


def test_on_windows_the_way_out_is_named_and_the_file_stays(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "fcntl", None)
    path = tmp_path / "rejects.singer"
    line = '{"type":"SCHEMA","stream":"tasks","schema":{"properties":{}}}\n'
    path.write_text(line)
    with pytest.raises(
        OSError, match="does not work on Windows; feed the file into standard input"
    ):
        ReplayFile(str(path), dry_run=False)
    assert path.read_text() == line
