"""A list that changes while it is read, on a server with all kinds of habits."""

from __future__ import annotations

import random
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from planhat_api.paging import Cursor, Page, Position
from planhat_api.scan import scan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from planhat_api.paging import PageRequest, ScanBatch

Row = dict[str, Any]


@contextmanager
def untraced():
    """Pause the tracer of coverage, with which code takes several times as long."""
    tracers = sys.gettrace(), threading.gettrace()
    sys.settrace(None)
    threading.settrace(None)
    try:
        yield
    finally:
        sys.settrace(tracers[0])
        threading.settrace(tracers[1])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    """Run tests that are marked so without a tracer: others have taken their lines already."""
    if item.get_closest_marker("untraced") is None:
        return (yield)
    with untraced():
        return (yield)


@pytest.fixture(scope="session", name="untraced")
def _untraced():
    """Pauses the tracer: `with untraced():`."""
    return untraced


def order_by(by: str, *, unique: bool) -> Cursor:
    """Cursor rows by a property that may be missing."""
    return Cursor(by, lambda row: row[by] or "", lambda row: row["_id"], unique)


@dataclass
class ChangingList:
    """Rows with an `_id` and a time of change, `updatedAt`, that may be None.

    Everything random comes from one seed. `lost` compares what was handed out with the rows that
    were there from `begin` on and had to be.
    """

    seed: int
    ties: float = 0
    """Share of the times of change that equal the one before."""
    cap: int = 10**6
    """Rows the server answers with at most, whatever is asked for."""
    ignores: str = "nothing"
    """`descending`; or `order` (rows come as they were created), `order, statically` (in one
    random order) and `order, wildly` (in another one at each request)."""
    ignores_only: str = ""
    """The only property whose order is ignored; "": that of every one."""
    short: float = 0
    """Share of the answers cut to a random length."""
    halved: float = 0
    """Share of the pages that had to be asked for with half the limit."""
    rows: list[Row] = field(default_factory=list)
    requests: list[PageRequest] = field(default_factory=list)
    between: Callable[[], None] = lambda: None
    """What happens before every answer but the first."""
    clock: int = 5000
    ids: int = 5000
    taken: set[str] = field(default_factory=set)
    seen: set[str] = field(default_factory=set)
    owed: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    # What changes.

    def tick(self) -> str:
        self.clock += self.random.random() >= self.ties
        return f"{self.clock:08d}"

    def insert(self) -> None:
        self.ids += self.random.randrange(1, 9)
        self.taken.add(f"{self.ids:08d}")
        self.rows.append({"_id": f"{self.ids:08d}", "updatedAt": self.tick()})

    def insert_between(self) -> None:
        """Add a row whose id was minted earlier than it arrives, with an old time of change."""
        free = f"{self.random.randrange(5000, self.ids + 1):08d}"
        if free not in self.taken:
            self.taken.add(free)
            time = self.random.randrange(5000, self.clock + 1)
            self.rows.append({"_id": free, "updatedAt": f"{time:08d}"})

    def leave(self, row: Row) -> None:
        """Delete a row, or archive it: this list shows it no more."""
        del self.rows[next(place for place, other in enumerate(self.rows) if other is row)]
        self.owed.discard(row["_id"])

    def update(self, row: Row) -> None:
        row["updatedAt"] = self.tick()

    def change(self, *, between: bool = True) -> None:
        """Make one change at random."""
        kind = self.random.choice(("insert", "leave", "update", "update", "between"))
        if kind == "insert":
            self.insert()
        elif kind == "between" and between:
            self.insert_between()
        elif self.rows:
            row = self.random.choice(self.rows)
            (self.leave if kind == "leave" else self.update)(row)

    # What the server answers.

    def answer(self, request: PageRequest) -> Page:
        assert request.offset >= 0
        assert request.limit >= 1
        if self.requests:
            self.between()
        self.requests.append(request)
        by = request.sort.lstrip("-")
        ignores = self.ignores if self.ignores_only in ("", by) else "nothing"
        rows = list(self.rows)
        if ignores == "order, statically":
            rows.sort(key=lambda row: random.Random(f"{self.seed} {row['_id']}").random())
        elif ignores != "order":
            self.random.shuffle(rows)
        if ignores in ("nothing", "descending"):
            falling = request.sort.startswith("-") and ignores == "nothing"
            rows.sort(key=lambda row: row.get(by) or "", reverse=falling)
        asked = request.limit
        if asked > 1 and not request.widest and self.random.random() < self.halved:
            asked //= 2
        count = min(asked, self.cap)
        if self.random.random() < self.short:
            count = self.random.randint(1, count)
        return Page([dict(row) for row in rows[request.offset : request.offset + count]], asked)

    # What a reading owes and brings.

    def begin(self, cursor: Cursor, start: Position) -> None:
        """Remember which rows a reading that begins now has to hand out."""
        values = {row["_id"]: cursor.value(row) for row in self.rows}
        self.owed = {key for key, value in values.items() if not value or value >= start.value}

    def take(self, batches: Iterator[ScanBatch]) -> list[ScanBatch]:
        taken = []
        for batch in batches:
            taken.append(batch)
            self.seen.update(row["_id"] for row in batch.rows)
        return taken

    def read(
        self,
        cursor: Cursor,
        *,
        limit: int,
        widest: int | None = None,
        start: Position | None = None,
        changes: Callable[[], None] = lambda: None,
    ) -> list[ScanBatch]:
        """Read the list, with changes before every answer but the first."""
        self.between = changes
        self.begin(cursor, start or Position())
        return self.take(scan(self.answer, cursor, limit=limit, widest=widest, start=start))

    @property
    def lost(self) -> set[str]:
        return self.owed - self.seen


@dataclass(frozen=True)
class Kit:
    """What the tests of the scan share."""

    changing_list: type[ChangingList] = ChangingList
    by_id: Cursor = field(default_factory=lambda: order_by("_id", unique=True))
    by_time: Cursor = field(default_factory=lambda: order_by("updatedAt", unique=False))
    by_unique_time: Cursor = field(default_factory=lambda: order_by("updatedAt", unique=True))

    def order(self, by: str, **how: Any) -> Cursor:
        return Cursor(by, **how)

    def filled(self, count: int, *, lacking: int = 0, seed: int = 0, **habits: Any) -> ChangingList:
        """Return a list of so many rows, some of which lack a time of change."""
        filled = ChangingList(seed, **habits)
        for _ in range(count):
            filled.insert()
        for row in filled.random.sample(filled.rows, lacking):
            row["updatedAt"] = None
        return filled


@pytest.fixture(scope="session")
def kit() -> Kit:
    return Kit()
