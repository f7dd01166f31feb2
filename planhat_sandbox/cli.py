"""The command `planhat-sandbox`."""

from __future__ import annotations

import argparse
import sys
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from planhat_api.resources import RESOURCES
from planhat_sandbox.options import SandboxOptions, TaskDates, UnknownId

if TYPE_CHECKING:
    from collections.abc import Sequence
    from enum import Enum

DESCRIPTION = """\
Planhat on this computer: campaigns, nps, conversations and tasks, as the API's pages describe
them. Any token is accepted. Set api_url of tap-planhat or target-planhat to the address it prints.
"""

LAST_PORT = 65535

CONTROL = """\
control API, JSON, no token:
  GET  /__sandbox/stats            calls, rows served, most calls at once
  GET  /__sandbox/calls            the latest calls: query, status, rows
  GET  /__sandbox/dump/NAME        all records, archived too, in the property table's shape
  POST /__sandbox/load/NAME        [rows] stored as they are, _id and dates included
         NAME: a resource, or users, companies, endusers, customfields
  POST /__sandbox/faults           [rules]; GET: those in force
         which calls: "method", "resource" (also leancompanies and every other NAME),
         "count" (1; null: all), "skip" (0)
         what: "status" with "body" (JSON) or "text", "headers"; "not_json"; "delay_ms";
         "drop": "before", "after" (the write is done, the answer lost) or "within" the answer;
         "short" (rows missing from a page), "cap" (rows a page at most), "ignore_sort",
         "as_object", "last_offset", "without" [properties],
         "deny", "deny_companies" [ids], "lose_items"
  POST /__sandbox/changes          {"resource", "every" (list calls; 0: once, now), "count",
         "insert", "update", "delete", "archive", "reopen"}
  POST /__sandbox/reset            forgets faults, changes, counts; {"rows": true}: records too
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="planhat-sandbox",
        description=DESCRIPTION,
        epilog=CONTROL,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--port", type=_port, default=8787, help="port on 127.0.0.1; 0: any free one (8787)")
    add("--demo", action="store_true", help="begin with a made-up tenant instead of an empty one")
    add(
        "--rows",
        type=_rows,
        metavar="N",
        help="records of each resource of --demo, or of some: tasks=100000,nps=500; implies it",
    )
    add("--seed", type=int, default=1, help="fixes the tenant and all that varies (1)")
    add("--token", help="the only token to accept (any)")
    add("--latency-ms", type=_natural, default=0, metavar="N", help="added to every answer (0)")
    add(
        "--error-rate",
        type=_share,
        default=0.0,
        metavar="SHARE",
        help="answers that are a 500, a 502 page or a broken connection instead, 0 to 1 (0)",
    )
    add("--rate-limit", type=_positive, metavar="N", help="calls a minute before 429 (none)")
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
        help="tasks that carry createdAt and updatedAt (some: old ones do not)",
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


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError("must be between 0 and 1")
    return value


def _natural(text: str) -> int:
    return _whole(text, 0)


def _positive(text: str) -> int:
    return _whole(text, 1)


def _port(text: str) -> int:
    port = _natural(text)
    if port > LAST_PORT:
        raise argparse.ArgumentTypeError(f"must be at most {LAST_PORT}")
    return port


def _whole(text: str, least: int) -> int:
    value = int(text)
    if value < least:
        raise argparse.ArgumentTypeError(f"must be at least {least}")
    return value


def main(argv: Sequence[str] | None = None) -> int:
    """Run the sandbox until it is interrupted; return the exit code."""
    given = _parser().parse_args(argv)
    try:
        from planhat_sandbox import server  # noqa: PLC0415 - needs the extra
    except ModuleNotFoundError as error:
        print(
            f"planhat-sandbox needs {error.name}: pip install 'singer-planhat[sandbox]'",
            file=sys.stderr,
        )
        return 1
    from planhat_sandbox.demo import sample  # noqa: PLC0415 - only once it can be served
    from planhat_sandbox.tenant.tenant import Tenant  # noqa: PLC0415

    options = SandboxOptions(
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
    tenant = Tenant(options)
    if given.demo or given.rows is not None:
        sample.fill(tenant, datetime.now(timezone.utc), rows=given.rows)
    records = sum(len(table.rows) for table in tenant.tables.values())
    token = "any" if given.token is None else "the one given"

    def announce(url: str) -> None:
        print(f"Planhat sandbox on {url} (token: {token}, {records} records)", flush=True)

    try:
        server.serve(tenant, port=given.port, announce=announce)
    except OSError as error:
        print(f"planhat-sandbox: port {given.port}: {error.strerror}", file=sys.stderr)
        return 1
    return 0
