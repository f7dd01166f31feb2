"""The command `planhat-sandbox`."""

from __future__ import annotations

import argparse
import sys
from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING

from planhat_api.resources import RESOURCES
from planhat_sandbox.options import SandboxOptions, TaskDates, UnknownId

if TYPE_CHECKING:
    from collections.abc import Sequence
    from enum import Enum

    from planhat_sandbox.tenant.tenant import Tenant

DESCRIPTION = """\
Planhat on this computer: campaigns, nps, conversations and tasks, as the API's pages describe
them. Any token is accepted. Set api_url of tap-planhat or target-planhat to the address it prints;
open that address in a browser to see records and calls and to switch faults on.
"""

LAST_PORT = 65535

CONTROL = """\
control API, JSON, no token:
  GET  /__sandbox/stats            calls, rows served, most calls at once
  GET  /__sandbox/calls            the latest calls: query, status, rows
  GET  /__sandbox/latest           the last of them by number; latest/NUMBER: with both bodies
  GET  /__sandbox/state            counts, options, faults and changes in force
  GET  /__sandbox/records/NAME     ?search=&offset=&limit=: newest first
  GET  /__sandbox/dump/NAME        all records, archived too, in the property table's shape
  POST /__sandbox/load/NAME        [rows] stored as they are, _id and dates included
         NAME: a resource, or users, companies, endusers, customfields
  POST /__sandbox/faults           [rules]; GET: those in force; DELETE faults/NUMBER
         which calls: "method", "resource" (also leancompanies and every other NAME),
         "count" (1; null: all), "skip" (0)
         what: "status" with "body" (JSON) or "text", "headers"; "not_json"; "delay_ms";
         "drop": "before", "after" (the write is done, the answer lost) or "within" the answer;
         "short" (rows missing from a page), "cap" (rows a page at most), "ignore_sort",
         "as_object", "last_offset", "without" [properties],
         "deny", "deny_companies" [ids], "lose_items"
  POST /__sandbox/changes          {"resource", "every" (list calls; 0: once, now), "count",
         "insert", "update", "delete", "archive", "reopen"}; DELETE changes/PLACE
  POST /__sandbox/options          {"latency_ms", "error_rate", "rate_limit"}
  POST /__sandbox/reset            forgets faults, changes, counts; {"rows": true}: records too,
         {"rows": "sample"}: and starts with the sample data again
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="planhat-sandbox",
        description=DESCRIPTION,
        epilog=CONTROL,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="interface to listen on (127.0.0.1: not the network)")
    add("--port", type=int, default=8787, help="port; 0: any free one (8787)")
    add("--demo", action="store_true", help="begin with sample data instead of an empty tenant")
    add(
        "--rows",
        type=_rows,
        metavar="N",
        help="records of each resource of --demo, or of some: tasks=100000,nps=500; implies it",
    )
    add("--seed", type=int, default=1, help="fixes the tenant and all that varies (1)")
    add("--token", help="the only token to accept (any)")
    add("--latency-ms", type=int, default=0, metavar="N", help="added to every answer (0)")
    add(
        "--error-rate",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="answers that are a 500, a 502 page or a broken connection instead, 0 to 1 (0)",
    )
    add("--rate-limit", type=int, metavar="N", help="calls a minute before 429 (none)")
    add(
        "--steady",
        action="store_true",
        help="do not vary what Planhat leaves open: order of ties, shape of errors",
    )
    add(
        "--unknown-id",
        choices=_values(UnknownId),
        help="what a bulk upsert does with an unknown _id beside another key (by the seed)",
    )
    add(
        "--task-dates",
        choices=_values(TaskDates),
        default=TaskDates.SOME.value,
        help="tasks with createdAt and updatedAt (some: old ones do not; few: one of four)",
    )
    add(
        "--timestamps",
        action="store_true",
        help="campaigns and conversations carry createdAt and updatedAt too",
    )
    add(
        "--full-lists",
        action="store_true",
        help="list conversations with every property, selected or not",
    )
    add(
        "--no-store",
        action="store_true",
        help="answer bulk upserts at once and store nothing: for measuring clients",
    )
    add("--quiet", action="store_true", help="do not print a line for each request")
    return parser


def _values(kind: type[Enum]) -> list[str]:
    return [item.value for item in kind]


def _rows(text: str) -> int | dict[str, int]:
    if "=" not in text:
        return _natural(text)
    counts = {
        name: _natural(count)
        for name, _, count in (part.partition("=") for part in text.split(","))
    }
    if unknown := set(counts) - set(RESOURCES):
        raise argparse.ArgumentTypeError(f"no such resource: {', '.join(sorted(unknown))}")
    return counts


def _natural(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError("must be at least 0")
    return value


def _options(parser: argparse.ArgumentParser, given: argparse.Namespace) -> SandboxOptions:
    """Return the options; end with a usage error where one is wrong."""
    if not 0 <= given.port <= LAST_PORT:
        parser.error(f"--port must be between 0 and {LAST_PORT}")
    try:
        return SandboxOptions(
            seed=given.seed,
            token=given.token,
            latency_ms=given.latency_ms,
            error_rate=given.error_rate,
            rate_limit=given.rate_limit,
            steady=given.steady,
            unknown_id=UnknownId(given.unknown_id) if given.unknown_id else None,
            task_dates=TaskDates(given.task_dates),
            timestamps=given.timestamps,
            full_lists=given.full_lists,
            no_store=given.no_store,
        )
    except ValueError as error:
        name, rest = str(error).split(" ", 1)
        parser.error(f"--{name.replace('_', '-')} {rest}")


class _Log:
    """Prints a line for each request, until standard output is closed."""

    def __init__(self) -> None:
        self._closed = False

    def __call__(self, line: str) -> None:
        if not self._closed:
            try:
                print(f"{datetime.now().astimezone():%H:%M:%S} {line}", flush=True)
            except (OSError, ValueError):
                self._closed = True


def main(argv: Sequence[str] | None = None) -> int:
    """Run the sandbox until it is interrupted; return the exit code."""
    parser = _parser()
    given = parser.parse_args(argv)
    options = _options(parser, given)
    try:
        from planhat_sandbox import server  # noqa: PLC0415 - needs the extra
    except ModuleNotFoundError as error:
        print(
            f"planhat-sandbox needs {error.name}: pip install 'singer-planhat[sandbox]'",
            file=sys.stderr,
        )
        return 1
    tenant = _tenant(options, given)
    records = sum(len(table.rows) for table in tenant.tables.values())
    token = "any" if given.token is None else "the one given"

    def announce(url: str) -> None:
        print(f"Planhat sandbox on {url} (token: {token}, {records} records)", flush=True)

    log = None if given.quiet else _Log()
    try:
        server.serve(tenant, host=given.host, port=given.port, announce=announce, log=log)
    except OSError as error:
        print(f"planhat-sandbox: {given.host}:{given.port}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


def _tenant(options: SandboxOptions, given: argparse.Namespace) -> Tenant:
    from planhat_sandbox.demo import sample  # noqa: PLC0415 - only once it can be served
    from planhat_sandbox.tenant.tenant import Tenant  # noqa: PLC0415

    if not given.demo and given.rows is None:
        return Tenant(options)
    fill = partial(sample.fill, now=datetime.now(timezone.utc), rows=given.rows)
    return Tenant(options, sample=fill)
