"""Histories: a tenant that changes at every step, runs that die anywhere, and what a loader holds.

What `run.py` does with an inventory is done here in its simplest form, without HTTP and Singer, so
that thousands of histories take seconds.
"""

from __future__ import annotations

import io
import random
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from tap_planhat.inventory.deletions import Fate, judge
from tap_planhat.inventory.entries import ID
from tap_planhat.inventory.folder import Folder
from tap_planhat.inventory.increments import Increments
from tap_planhat.inventory.rescan import Rescan
from tap_planhat.inventory.shelf import EntryKind, Named, Shelf

EPOCH = datetime(2026, 1, 1, tzinfo=timezone.utc)


class KilledError(Exception):
    """The run ends here, without another word."""


class MemoryFolder(Folder):
    """Files in memory; each write may be the last thing a run does."""

    def __init__(self, step):
        self.path = "memory"
        self.files = {}
        self.step = step

    def names(self, beginning):
        return sorted(name for name in self.files if name.startswith(beginning))

    def open(self, name):
        if name not in self.files:
            raise FileNotFoundError(name)
        return io.BytesIO(self.files[name])

    @contextmanager
    def create(self, name):
        file = io.BytesIO()
        yield file
        self.step()
        self.files[name] = file.getvalue()
        self.step()

    def remove(self, name):
        self.files.pop(name, None)


@dataclass
class Row:
    row_id: bytes
    version: int
    listed: int
    touched: int


@dataclass
class History:
    """One tenant, one pipeline, one loader; all that is random comes from the seed."""

    seed: int
    lists: int = 1
    pairs: bool = False
    """NPS answers: an entry is a contact's id and the answer's."""
    deaths: float = 0.0
    """Chance that a run dies, at each step."""
    put_back: float = 0.0
    """Chance that the next run is given an older STATE than the last one kept."""
    change: float = 0.3
    """Chance that the tenant changes, at each step."""
    rows: dict[bytes, Row] = field(default_factory=dict)
    clock: int = 1000
    calm: bool = False
    exact: bool = False
    """No run dies and no STATE is put back: what has not changed is not loaded again."""
    whole: bool = False
    faults: list[str] = field(default_factory=list)

    def __post_init__(self):
        self.random = random.Random(self.seed)
        self.folder = MemoryFolder(self.step)
        self.state: dict[str, Any] = {}
        self.kept: list[dict[str, Any]] = []
        self.loaded: dict[bytes, tuple[bytes, int]] = {}
        self.named: list[bytes] = []
        self.forgiven: set[bytes] = set()
        self.minted: set[bytes] = set()
        self.output: list[tuple[str, Any]] = []
        self.range, self.shape = "all", "plain"
        """What the next runs read, and how they make records."""
        self.emitted = 0
        self.last_id = 0
        self.excused: set[bytes] = set()
        """Rows that were missed once and exist, or are under two contacts: they come again."""

    # The tenant.

    def now(self):
        return EPOCH + timedelta(seconds=self.clock)

    def mint(self):
        self.last_id += self.random.randrange(2, 9)
        return self.last_id.to_bytes(ID, "big")

    def insert(self, row_id=None):
        row_id = row_id or self.mint()
        self.minted.add(row_id)
        if self.pairs:
            contacts = [key[:ID] for key in self.rows] or [row_id]
            contact = self.random.choice([*contacts[-3:], row_id])
            row_id = contact + row_id
        self.rows[row_id] = Row(row_id, 0, self.random.randrange(self.lists), self.clock)

    def change_once(self):
        self.clock += 1
        kinds = [self.between, self.edit, self.edit, self.revert, self.delete]
        kinds += [self.archive] if self.lists > 1 else []
        kinds += [self.change_contact, self.double] if self.pairs else []
        change = self.random.choice((None, *kinds))
        if change is None or not self.rows:
            self.insert()
        else:
            change(self.random.choice(list(self.rows.values())))

    def between(self, _):
        """Let a row arrive whose id was minted long ago."""
        row_id = self.random.randrange(1, self.last_id + 1).to_bytes(ID, "big")
        # No id is minted twice.
        if row_id not in self.minted:
            self.insert(row_id)

    def edit(self, row):
        row.version += 1
        self.touch(row)

    def revert(self, row):
        row.version = self.random.randrange(0, row.version + 1)
        self.touch(row)

    def delete(self, row):
        for key in [key for key in self.rows if key[-ID:] == row.row_id[-ID:]]:
            del self.rows[key]

    def archive(self, row):
        row.listed = 1 - row.listed
        self.touch(row)

    def change_contact(self, row):
        if self.double(row):
            del self.rows[row.row_id]

    def double(self, row):
        """Show an answer under another contact too."""
        other = self.random.choice(list(self.rows))[:ID] + row.row_id[ID:]
        if other in self.rows:
            return False
        self.excused.add(other[ID:])
        self.rows[other] = Row(other, row.version, row.listed, self.clock)
        return True

    def touch(self, row):
        # Some edits leave no trace.
        if self.random.random() < 0.7:
            row.touched = self.clock

    def step(self):
        if self.calm:
            return
        self.clock += 1
        while self.random.random() < self.change:
            self.change_once()
        if self.random.random() < self.deaths:
            raise KilledError

    def page(self, listed, last, seen):
        """Return the next rows of a list that is sorted by id, or by contact with ties."""
        self.step()
        rows = [
            deepcopy(row)
            for key, row in self.rows.items()
            if row.listed == listed and key[:ID] >= last and key not in seen
        ]
        self.random.shuffle(rows)
        rows.sort(key=lambda row: row.row_id[:ID])
        return rows[: self.random.randrange(2, 6)]

    # A run.

    def run(self, *, rescan, everything=False):
        self.output = []
        self.died = False
        self.clock += 1
        try:
            self.read(deepcopy(self.state), rescan=rescan, everything=everything)
        except KilledError:
            self.died = True
        self.load()

    def read(self, state, *, rescan, everything):
        width = 2 * ID if self.pairs else ID
        kind = EntryKind("nps" if self.pairs else "tasks", width, self.shape, self.range)
        named = Named.of(kind.stream, state.get("inventory"))
        shelf = Shelf(self.folder, kind, named, self.now)
        self.whole = rescan or "reading" in state or "done" not in state
        if self.whole:
            self.read_whole(state, shelf, everything=everything)
        else:
            self.read_new(state, shelf)

    def read_new(self, state, shelf):
        inventory = Increments(shelf)
        seen, last = set(), max(0, state["reached"] - 20).to_bytes(ID, "big")
        for listed in range(self.lists):
            at = last
            while rows := self.page(listed, at, seen):
                inventory.note([row.row_id for row in rows], [self.digest(row) for row in rows])
                inventory.flush()
                self.write(rows)
                seen.update(row.row_id for row in rows)
                at = rows[-1].row_id[:ID]
                state["reached"] = max(state["reached"], int.from_bytes(at, "big"))
                self.say(state, shelf)

    def read_whole(self, state, shelf, *, everything):
        reading = state.get("reading")
        began = reading["began"] if reading else self.text()
        rescan = Rescan(shelf, began, resumed=reading is not None, everything=everything)
        if not rescan.resumed:
            reading = None
        reading = reading or {"began": began, "since": self.clock, "list": 0, "last": 0}
        reading["began"] = began
        for listed in range(reading["list"], self.lists):
            last = reading["last"] if listed == reading["list"] else 0
            at, seen = max(0, last - 20).to_bytes(ID, "big"), set()
            while rows := self.page(listed, at, seen):
                self.take(rows, rescan)
                seen.update(row.row_id for row in rows)
                at = rows[-1].row_id[:ID]
                state["reading"] = {**reading, "list": listed, "last": int.from_bytes(at, "big")}
                if self.random.random() < 0.4:
                    rescan.flush()
                    self.say(state, shelf)
        self.tails(reading, rescan)
        rescan.flush()
        verdict = judge(
            rescan, ask=self.ask if self.lists > 1 else None, read_again=self.read_again
        )
        self.step()
        if verdict is None:
            rescan.withhold()
        else:
            for row_id in verdict.gone:
                self.output.append(("gone", row_id))
                if any(key[-ID:] == row_id for key in self.rows):
                    self.faults.append(f"named alive {row_id.hex()}")
            self.excused |= {key[-ID:] for key in verdict.kept}
            rescan.finish(verdict.kept)
        state.pop("reading", None)
        state["done"] = began
        state["reached"] = max(state.get("reached", 0), self.greatest())
        self.say(state, shelf)

    def greatest(self):
        return max((int.from_bytes(key[:ID], "big") for key in self.rows), default=0)

    def tails(self, reading, rescan):
        """Read what was touched since in each list again, until nothing new comes."""
        if self.lists == 1:
            return
        seen = {}
        for _ in range(50):
            news = False
            for listed in range(self.lists):
                self.step()
                rows = [
                    deepcopy(row)
                    for row in self.rows.values()
                    if row.listed == listed
                    and row.touched >= reading["since"]
                    and seen.get(row.row_id) != (row.version, listed)
                ]
                if rows:
                    news = True
                    seen.update((row.row_id, (row.version, listed)) for row in rows)
                    self.take(rows, rescan)
            if not news:
                return

    def take(self, rows, rescan):
        places = rescan.news([row.row_id for row in rows], [self.digest(row) for row in rows])
        self.write([rows[place] for place in places])

    def write(self, rows):
        for row in rows:
            self.step()
            self.output.append(("record", row))

    def say(self, state, shelf):
        self.step()
        state["inventory"] = shelf.named.saved()
        self.output.append(("state", deepcopy(state)))
        self.step()

    def digest(self, row):
        text = f"{self.shape} {row.row_id.hex()} {row.listed} {row.version}"
        return random.Random(text).randbytes(16)

    def text(self):
        return self.now().isoformat().replace("+00:00", ".000Z")

    def ask(self, row_id):
        self.step()
        return Fate.INSIDE if row_id in self.rows else Fate.GONE

    def read_again(self):
        for listed in range(self.lists):
            at, seen = bytes(ID), set()
            while rows := self.page(listed, at, seen):
                seen.update(row.row_id for row in rows)
                at = rows[-1].row_id[:ID]
                yield from (row.row_id for row in rows)

    # The loader.

    def load(self):
        """Load what came, or less where the run died; keep one of the STATEs before that."""
        cut = len(self.output)
        if self.died:
            cut = self.random.randrange(cut + 1)
        states = []
        for kind, value in self.output[:cut]:
            if kind == "record":
                self.load_row(value)
            elif kind == "gone":
                self.load_gone(value)
            else:
                states.append(value)
        if states and not (self.died and self.random.random() < 0.2):
            self.state = states[-1]
            self.kept.append(self.state)
        elif not self.state:
            self.forgiven |= {v.row_id[-ID:] for k, v in self.output[:cut] if k == "record"}
        if self.kept and self.random.random() < self.put_back:
            self.state = self.random.choice(self.kept)

    def load_row(self, row):
        key = row.row_id[-ID:]
        value = (row.row_id, row.version, row.listed)
        if self.exact and self.whole and self.loaded.get(key) == value and key not in self.excused:
            self.faults.append(f"unchanged {key.hex()}")
        self.emitted += 1
        self.loaded[key] = value

    def load_gone(self, row_id):
        if row_id not in self.loaded and self.exact:
            self.faults.append(f"named twice {row_id.hex()}")
        self.loaded.pop(row_id, None)
        self.named.append(row_id)

    # What must be true in the end.

    def check(self):
        """Nothing changes any more: what does the loader hold after two rescans?"""
        self.calm = True
        self.deaths = self.put_back = 0
        for _ in range(3):
            self.run(rescan=True)
        present = {}
        for key, row in self.rows.items():
            present.setdefault(key[-ID:], set()).add((key, row.version, row.listed))
        for row_id, values in present.items():
            if self.loaded.get(row_id) not in values:
                self.faults.append(
                    f"lost {row_id.hex()}: {self.loaded.get(row_id)} is not {values}"
                )
        for row_id in self.loaded.keys() - present.keys() - self.forgiven:
            self.faults.append(f"not named {row_id.hex()}")
        self.emitted, before = 0, len(self.named)
        self.run(rescan=True)
        doubles = sum(len(values) for values in present.values() if len(values) > 1)
        if self.emitted != doubles or len(self.named) > before:
            self.faults.append(f"{self.emitted} emitted, {doubles} doubles, nothing had changed")
        return self.faults
