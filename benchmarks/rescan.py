"""What a rescan with an inventory emits, beside a FULL_TABLE run, and what the inventory costs."""

from __future__ import annotations

import gc
import re
import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import orjson

from benchmarks.limits import last_state
from benchmarks.measure import BIN, FailedError, control, records, run, serving, write_json
from benchmarks.speed import catalog, settings
from planhat_api.resources import TASKS
from tap_planhat.inventory.digest import Digester, entry_ids
from tap_planhat.inventory.folder import LocalFolder
from tap_planhat.inventory.rescan import Rescan
from tap_planhat.inventory.shelf import EntryKind, Named, Shelf

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.measure import Command, Run
    from benchmarks.speed import Size

EDITED = 20
PAGE = 5000
MOST_MICROSECONDS = 3
"""Of processor time, for each row."""
BYTES = 28
"""On the disk, for each row."""
TEXT = "Called about the renewal, and what it would take. " * 21


def rescan(folder: Path, size: Size) -> list[str]:
    """Edit a few of many conversations, in the sandbox, and read them in three ways."""
    rows = f"conversations={size.rows},tasks=0,campaigns=0,nps=0"
    command: Command = [BIN / "planhat-sandbox", "--quiet", "--port", "0", "--rows", rows]
    with serving(command) as line:
        url = re.search(r"http://[0-9.:]+", line)[0]  # type: ignore[index]
        config = settings(folder, url, inventory_path=str(folder / "inventory"))
        chosen = catalog(folder, config, "conversations")
        ours: Command = [BIN / "tap-planhat", "--config", config, "--catalog", chosen]
        out = folder / "rescan.singer"
        first = run(ours, into=out)
        state = last_state(out)
        quiet, calls = _after(ours, folder, url, state)
        state["bookmarks"]["conversations"]["full_read_at"] = "2020-01-01T00:00:00.000Z"
        change = {"resource": "conversations", "every": 0, "update": EDITED}
        control(url, "changes", change)
        again, pages = _after(ours, folder, url, state)
        emitted = records(out)
        if emitted != EDITED:
            raise FailedError(f"the rescan emitted {emitted} rows, {EDITED} were edited")
        whole, _ = _after([*ours[:3], "--catalog", _full(chosen)], folder, url, None)
        every = records(out)
    return [
        f"## Rescan: {EDITED} edits among {size.rows:,} conversations",
        "",
        "| | records | calls | seconds | processor seconds | peak MB |",
        "|---" * 6 + "|",
        _row("first run", size.rows, None, first),
        _row("run without news", None, calls, quiet),
        _row("rescan", emitted, pages, again),
        _row("FULL_TABLE", every, None, whole),
    ]


def _after(
    command: Command, folder: Path, url: str, state: dict[str, Any] | None
) -> tuple[Run, int]:
    """Run from a STATE; return what it took, and its calls."""
    before = control(url, "stats")["total"]
    given = [] if state is None else ["--state", write_json(folder / "state.json", state)]
    took = run([*command, *given], into=folder / "rescan.singer")
    return took, control(url, "stats")["total"] - before


def _full(chosen: Path) -> Path:
    found = orjson.loads(chosen.read_bytes())
    for entry in found["streams"]:
        entry["replication_method"] = "FULL_TABLE"
        entry.pop("replication_key", None)
    return write_json(chosen.with_name("full.json"), found)


def _row(name: str, count: int | None, calls: int | None, took: Run) -> str:
    shown = ["" if number is None else f"{number:,}" for number in (count, calls)]
    return (
        f"| {name} | {' | '.join(shown)} | {took.seconds:.1f} | {took.cpu:.1f} | {took.peak:.0f} |"
    )


def inventory(folder: Path, size: Size) -> list[str]:
    """Measure digest, join and writing alone, on rows of 1.1 KB that are made beforehand."""
    where, spent = LocalFolder(str(folder / "alone")), {}
    saved: dict[str, Any] | None = None
    # As the tap does while it reads.
    gc.disable()
    for name, edited in (("first", 0), ("nothing changed", 0), ("1 % changed", size.long // 100)):
        saved, spent[name] = _read(where, saved, size.long, edited)
    gc.enable()
    file = folder / "alone" / (saved or {})["base"]
    width = file.stat().st_size / size.long
    return [
        f"## Inventory: {size.long:,} rows",
        "",
        *(f"- {name}: {each:.1f} µs of processor time a row" for name, each in spent.items()),
        f"- the aim is {MOST_MICROSECONDS}; encoding a record is not counted: it is done anyway",
        f"- {width:.1f} bytes a row on the disk; the aim is {BYTES}",
    ]


def _read(
    where: LocalFolder, saved: dict[str, Any] | None, rows: int, edited: int
) -> tuple[dict[str, Any], float]:
    """Read rows as a rescan does; return what STATE then says, and microseconds a row."""
    named = Named.of("tasks", saved)
    shelf = Shelf(where, EntryKind("tasks", 12, "", ""), named, lambda: datetime.now(timezone.utc))
    reading = Rescan(shelf, datetime.now(timezone.utc).isoformat())
    digester, spent, emitted = Digester(""), 0.0, 0
    for page, encoded in _pages(rows, edited):
        began = time.process_time()
        emitted += len(reading.news(entry_ids(TASKS, page), digester.digests(encoded)))
        spent += time.process_time() - began
    began = time.process_time()
    reading.flush()
    if reading.missing().ids or emitted != (edited if saved else rows):
        raise FailedError(f"{emitted} of {rows} rows were emitted, {edited} changed")
    reading.finish(())
    return named.saved(), (spent + time.process_time() - began) / rows * 1e6


def _pages(rows: int, edited: int) -> Iterator[tuple[list[dict[str, Any]], list[bytes]]]:
    every = rows // edited if edited else rows + 1
    for start in range(0, rows, PAGE):
        numbers = range(start, min(rows, start + PAGE))
        page = [{"_id": f"{0x65000000 + n // 40:08x}{n:016x}", "text": TEXT} for n in numbers]
        for number, row in zip(numbers, page, strict=True):
            if number % every == 1:
                row["edited"] = edited
        yield page, list(map(orjson.dumps, page))
