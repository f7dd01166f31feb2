"""A stand-in for Planhat that costs next to nothing, so that each client is bound by itself.

The sandbox puts every page together anew and decodes every body, in time that a client with
requests in flight does not notice but a sequential loop waits for: measured against it, ours would
look better than it is. Here rows lie encoded in one block of memory, a page is a slice of it that
is sent uncopied, and an upsert is answered from the keys in its body, undecoded. Each list has one
order, ascending and descending, and every filter but `isArchived` is ignored.
"""

from __future__ import annotations

import argparse
import re
import socketserver
import sys
import threading
import time
from email.utils import formatdate
from itertools import accumulate
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import orjson

from benchmarks import data

if TYPE_CHECKING:
    from collections.abc import Sequence

_KEY = re.compile(rb'"sourceId": ?"([^"]*)"')
_ID = b"%024x"


class Rows:
    """The rows of one list, in order."""

    def __init__(self, rows: Sequence[bytes]) -> None:
        self._block = memoryview(b",".join(rows))
        self._starts = [0, *accumulate(len(row) + 1 for row in rows)]

    def page(self, offset: int, limit: int, *, descending: bool) -> list[memoryview]:
        """Return the pieces of a page that are joined by commas."""
        count = len(self._starts) - 1
        start, stop = min(offset, count), min(offset + limit, count)
        if not descending:
            return [self._slice(start, stop)] if start < stop else []
        return [self._slice(count - at - 1, count - at) for at in range(start, stop)]

    def _slice(self, start: int, stop: int) -> memoryview:
        return self._block[self._starts[start] : self._starts[stop] - 1]


class Server(socketserver.ThreadingTCPServer):
    """Lists and bulk upserts, from memory."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, lists: dict[tuple[str, str], Rows], latency: float) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.lists = lists
        self.latency = latency
        self.items = 0
        """Items of all upserts so far."""
        self.lock = threading.Lock()

    def answer(self, method: bytes, target: str, body: bytes) -> list[bytes | memoryview]:
        """Return the pieces of an answer's body."""
        parts = urlsplit(target)
        if parts.path == "/items":
            return [b"%d" % self.items]
        time.sleep(self.latency)
        if method == b"PUT":
            return [self._upserted(_KEY.findall(body))]
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        rows = self.lists[parts.path, query.get("isArchived", "false")]
        pieces = rows.page(
            int(query.get("offset", 0)),
            int(query.get("limit", 100)),
            descending=query.get("sort", "").startswith("-"),
        )
        if len(pieces) > 1:
            return [b"[" + b",".join(pieces) + b"]"]
        return [b"[", *pieces, b"]"]

    def _upserted(self, keys: list[bytes]) -> bytes:
        """Answer as if every item had been created."""
        with self.lock:
            first = self.items
            self.items += len(keys)
        ids = [_ID % number for number in range(first, first + len(keys))]
        named = [b'{"_id":"%b","sourceId":"%b"}' % pair for pair in zip(ids, keys, strict=True)]
        return b'{"created":%d,"updated":0,"nonupdates":0,"insertsKeys":[%b]}' % (
            len(keys),
            b",".join(named),
        )


class _Handler(socketserver.StreamRequestHandler):
    server: Server
    disable_nagle_algorithm = True

    def handle(self) -> None:
        while line := self.rfile.readline():
            method, target, _ = line.split()
            length = 0
            while header := self.rfile.readline().strip().lower():
                if header.startswith(b"content-length:"):
                    length = int(header.partition(b":")[2])
            pieces = self.server.answer(method, target.decode(), self.rfile.read(length))
            size = sum(map(len, pieces))
            self.connection.sendall(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: %b\r\n"
                b"Content-Length: %d\r\n\r\n" % (formatdate(usegmt=True).encode(), size)
            )
            for piece in pieces:
                self.connection.sendall(piece)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=0)
    parser.add_argument("--conversations", type=int, default=0)
    parser.add_argument("--latency-ms", type=int, default=0)
    given = parser.parse_args()
    active, archived = data.task_lists(given.tasks)
    server = Server(
        {
            ("/tasks", "false"): Rows(active),
            ("/tasks", "true"): Rows(archived),
            ("/conversations", "false"): Rows(data.conversation_list(given.conversations)),
        },
        given.latency_ms / 1000,
    )
    del active, archived
    sys.stdout.write(orjson.dumps({"url": f"http://127.0.0.1:{server.server_address[1]}"}).decode())
    sys.stdout.write("\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
