"""Another Planhat than the sandbox: its own code, and habits the sandbox has not."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Row = dict[str, Any]


@dataclass
class Habits:
    """What a server may do that no page of the documentation forbids."""

    ordered: bool = True
    """False: rows come as they were put in, whatever `sort` says."""
    descending: bool = True
    """False: `-x` is the name of no property, so it sorts nothing."""
    nulls_last: bool = False
    cap: int = 10_000
    """Most rows of a page."""
    most: int = 10_000
    """A page that is asked for with more rows is a 500."""
    window: int | None = None
    """Days beyond which `npsExpiryDay` reaches back no further."""
    sparse: frozenset[str] = frozenset()
    """Properties that rows have only when they are selected."""
    selects: bool = True
    """False: `select` is not understood."""
    repeats: bool = False
    """A page ends with its last row twice."""
    delay: float = 0.0
    """Seconds before an answer."""
    unsorted: frozenset[str] = frozenset()
    """Properties by which nothing is sorted: rows come as they were put in."""
    serves: int | None = None
    """The offset from which on there are no rows, though there are."""
    behind: float = 0.0
    """Seconds by which its clock is behind this machine's, which may be ahead."""


@dataclass(frozen=True)
class Canned:
    """An answer that is no list, or not a good one."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    kind: str = "application/json"
    cut: int = 0
    """Bytes announced that never come: the connection closes before."""


@dataclass(frozen=True)
class Call:
    """One call that was answered."""

    resource: str
    query: dict[str, str]
    status: int
    rows: int


@dataclass
class OddServer:
    """Lists of rows behind HTTP."""

    habits: Habits = field(default_factory=Habits)
    rows: dict[str, list[Row]] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    spoil: Callable[[str, dict[str, str]], Canned | None] = lambda _resource, _query: None
    """Decides on an answer in the list's place; called for one request after the other."""
    pages: dict[str, Callable[[dict[str, str]], tuple[bytes, int]]] = field(default_factory=dict)
    """Makes whole answers, for lists too long to be held."""
    url: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, resource: str, query: dict[str, str]) -> Canned:
        """Answer a list request."""
        canned = self.spoil(resource, query)
        count = 0
        if canned is None and int(query["limit"]) > self.habits.most:
            canned = Canned(500, b'{"message":"Query exceeded its memory limit"}')
        if canned is None and resource in self.pages:
            body, count = self.pages[resource](query)
            canned = Canned(body=body)
        elif canned is None:
            page = self.page(resource, query)
            count = len(page)
            canned = Canned(body=json.dumps(page).encode())
        self.calls.append(Call(resource, query, canned.status, count))
        return canned

    def page(self, resource: str, query: dict[str, str]) -> list[Row]:
        """Return the rows a query shows."""
        habits = self.habits
        rows = [row for row in self.rows.get(resource, ()) if self._matches(resource, row, query)]
        rows = self._sorted(rows, query.get("sort", ""))
        offset = int(query.get("offset", 0))
        if habits.serves is not None and offset >= habits.serves:
            return []
        page = rows[offset : offset + min(int(query["limit"]), habits.cap)]
        if habits.repeats and len(page) > 1:
            page = [*page, page[-1]]
        names = set(query["select"].split(",")) | {"_id"} if "select" in query else None
        if names is not None and habits.selects:
            return [{name: value for name, value in row.items() if name in names} for row in page]
        return [
            {name: value for name, value in row.items() if name not in habits.sparse}
            for row in page
        ]

    def _sorted(self, rows: list[Row], sort: str) -> list[Row]:
        falling, name = sort.startswith("-"), sort.lstrip("-")
        habits = self.habits
        if not habits.ordered or not name or name in habits.unsorted:
            return rows
        if falling and not habits.descending:
            return rows
        lacking = [row for row in rows if row.get(name) is None]
        # Dates of any precision, compared as points in time.
        ordered = sorted(
            (row for row in rows if row.get(name) is not None),
            key=lambda row: str(row[name]).rstrip("Z"),
        )
        whole = [*ordered, *lacking] if self.habits.nulls_last else [*lacking, *ordered]
        return whole[::-1] if falling else whole

    def _matches(self, resource: str, row: Row, query: dict[str, str]) -> bool:
        company = row.get("cId") if resource == "nps" else row.get("companyId")
        # The filter of campaigns takes one company.
        wanted = query.get("companyId", "")
        companies = [wanted] if resource == "campaigns" else wanted.split(",")
        if "companyId" in query and company not in companies:
            return False
        if resource == "tasks":
            return bool(row.get("isArchived")) == (query.get("isArchived") == "true")
        if resource == "nps":
            days = min(int(query.get("npsExpiryDay", 360)), self.habits.window or 10**6)
            moment = time.gmtime(max(0.0, time.time() - 86_400 * days))
            answered = row.get("npsDate")
            return answered is not None and answered >= time.strftime("%Y-%m-%dT%H:%M:%S", moment)
        return True

    def count(self, resource: str) -> int:
        """Return the calls made for a resource."""
        return sum(call.resource == resource for call in self.calls)


@contextmanager
def odd_server(**habits: Any) -> Iterator[OddServer]:
    """Run such a server for as long as the block lasts."""
    server = OddServer(Habits(**habits))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def do_GET(self):
            parts = urlsplit(self.path)
            query = dict(parse_qsl(parts.query))
            if server.habits.delay:
                time.sleep(server.habits.delay)
            with server.lock:
                canned = server.answer(parts.path.strip("/"), query)
            self.send_response(canned.status)
            self.send_header("Content-Type", canned.kind)
            self.send_header("Content-Length", str(len(canned.body) + canned.cut))
            for name, value in canned.headers:
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(canned.body)
            self.close_connection = bool(canned.cut)

        def date_time_string(self, timestamp=None):
            return super().date_time_string((timestamp or time.time()) - server.habits.behind)

        def log_message(self, *_args):
            """Keep quiet."""

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

        def handle_error(self, *_args):
            """A client that was killed has left its connections broken."""

    http = Quiet(("127.0.0.1", 0), Handler)
    server.url = f"http://127.0.0.1:{http.server_address[1]}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        thread.join()
        http.server_close()
