"""The demo, step by step."""

from __future__ import annotations

import json
import sys
import textwrap
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from demo.stage import ROOT, DemoError, Meltano, clean, sandbox
from demo.warehouse import Warehouse

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from demo.stage import Planhat

TABLES = ("campaigns", "nps", "conversations", "tasks")
TICKETS = ROOT / "demo" / "tickets.jsonl"
SAMPLE = """\
SELECT companyname, action, status, updatedat::DATE, custom->>'Region'
FROM planhat.tasks WHERE custom->>'Region' IS NOT NULL
ORDER BY updatedat DESC, _id LIMIT 4\
"""
TENANT = """
With your own tenant:
  cp .env.example .env      # then fill in the API token, and the region if you have one
  .venv/bin/meltano --environment=prod run planhat-to-duckdb
  TARGET_PLANHAT_DRY_RUN=true reports what a load into Planhat would do, and writes nothing.\
"""


def main() -> int:
    """Run the demo; return the exit code."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / ".demo").resolve()
    try:
        clean(folder)
        with sandbox(folder / "sandbox.log") as planhat:
            meltano, warehouse = Meltano(folder, planhat), Warehouse(folder / "warehouse.duckdb")
            read_all(meltano, warehouse)
            read_changes(meltano, warehouse)
            write_tickets(meltano, folder / "rejects.singer")
    except DemoError as error:
        print(f"\nThe demo stopped: {error}", file=sys.stderr)
        return 1
    print(TENANT)
    print(f"What you saw is in {_short(folder)}: warehouse.duckdb, rejects.singer, meltano.log.")
    return 0


def read_all(meltano: Meltano, warehouse: Warehouse) -> None:
    """Load the whole tenant, and show it.

    Raises:
        DemoError: A row is missing.
    """
    _heading("1. Planhat -> DuckDB: a full refresh")
    meltano.run("planhat-to-duckdb")
    counts = [(name, len(meltano.planhat.all(name)), warehouse.count(name)) for name in TABLES]
    _table(("table", "in Planhat", "in DuckDB"), [(n, f"{p:,}", f"{d:,}") for n, p, d in counts])
    if missing := [name for name, there, here in counts if there != here]:
        raise DemoError(f"rows are missing in {', '.join(missing)}; see {meltano.log}")
    print(f"\n{textwrap.indent(SAMPLE, '  ')}")
    _table(("company", "action", "status", "updated", "region"), warehouse.query(SAMPLE))


def read_changes(meltano: Meltano, warehouse: Warehouse) -> None:
    """Change records in Planhat, load again, and show what came.

    Raises:
        DemoError: A change did not come.
    """
    _heading("2. Records change in Planhat: an incremental sync")
    wanted = change(meltano.planhat)
    before = {name: warehouse.snapshot(name) for name in TABLES}
    meltano.run("planhat-to-duckdb")
    found = {name: warehouse.difference(name, before[name]) for name in TABLES}
    _table(
        ("table", "rows read", "new", "changed", "unchanged"),
        [(name, d.came, d.new, d.changed, d.same) for name, d in found.items()],
    )
    print(
        "  Unchanged: the newest record of each list, and what changed in the ten minutes before it"
        "\n  (lookback_minutes)."
    )
    if any((found[name].new, found[name].changed) != wanted[name] for name in TABLES):
        raise DemoError(f"this is not what was changed; see {meltano.log}")


def change(planhat: Planhat) -> Mapping[str, tuple[int, int]]:
    """Change records; return table -> how many are new and how many changed."""
    now = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    tasks = [row for row in planhat.all("tasks") if "updatedAt" in row and not row["isArchived"]]
    answer = planhat.all("nps")[0]
    planhat.put(
        "tasks",
        {"sourceId": "helpdesk-48213", "companyId": "extid-C-1001", "action": "Call them back"},
        {"_id": tasks[0]["_id"], "status": "Blocked"},
        {"_id": tasks[1]["_id"], "isArchived": True, "dateDone": now},
    )
    mail = {"type": "email", "subject": "Contract draft", "companyId": tasks[0]["companyId"]}
    planhat.load(
        "conversations",
        {**mail, "date": "2016-10-04T09:30:00.000Z", "createDate": "2016-10-04T09:30:00.000Z"},
    )
    planhat.put("nps", {"email": answer["email"], "score": 9, "dateAnswered": now})
    for text in (
        "a task is created",
        f"a task gets another status (last changed {tasks[0]['updatedAt'][:10]})",
        f"a task is completed, and so archived (last changed {tasks[1]['updatedAt'][:10]})",
        "a mail of 2016-10-04 is imported",
        f"a contact who answered on {answer['dateAnswered'][:10]} answers again",
    ):
        print(f"  - {text}")
    return {"campaigns": (0, 0), "nps": (1, 0), "conversations": (1, 0), "tasks": (1, 2)}


def write_tickets(meltano: Meltano, rejects: Path) -> None:
    """Load another system's records, twice, and show the outcome of each.

    Raises:
        DemoError: The second load created something.
    """
    _heading("3. A help desk's tickets -> Planhat tasks")
    print("  demo/tickets.jsonl has columns of its own; stream_maps in meltano.yml renames them.")
    before = _tickets(meltano.planhat)
    log = meltano.run("tickets-to-planhat", may_fail=True)
    after = _tickets(meltano.planhat)
    reasons = _reasons(rejects)
    rows: list[tuple[str, str, str]] = []
    for line in TICKETS.read_text().splitlines():
        ticket = json.loads(line)
        number = str(ticket["ticket_no"])
        rows.append((number, ticket["headline"], _outcome(f"helpdesk-{number}", before, after)))
        if number in reasons:
            rows[-1] = (number, ticket["headline"], "rejected")
    _table(("ticket", "headline", "outcome"), rows)
    for number, reason in reasons.items():
        print(textwrap.fill(reason, 96, initial_indent=f"  {number}: ", subsequent_indent=" " * 9))
    print(
        "\n  Rejected records are kept in rejects.singer, the dead letter file, with these reasons,"
        "\n  to be replayed once the cause is fixed. The run ended with an error: max_rejects is 0."
    )
    _report(log)
    print("\n  The same file once more:")
    rejects.unlink()
    log = meltano.run("tickets-to-planhat", "--full-refresh", may_fail=True)
    _report(log)
    if _tickets(meltano.planhat) != after:
        raise DemoError(f"loading the same file again changed Planhat; see {meltano.log}")


def _tickets(planhat: Planhat) -> dict[str, dict[str, Any]]:
    rows = planhat.all("tasks")
    return {
        # Planhat may move updatedAt though nothing else changes.
        row["sourceId"]: {name: value for name, value in row.items() if name != "updatedAt"}
        for row in rows
        if row.get("sourceId", "").startswith("helpdesk-")
    }


def _outcome(key: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    if key not in after:
        return "lost"
    if key not in before:
        return "created"
    return "unchanged" if before[key] == after[key] else "updated"


def _reasons(rejects: Path) -> dict[str, str]:
    if not rejects.exists():
        return {}
    lines = map(json.loads, rejects.read_text().splitlines())
    return {
        str(line["record"]["ticket_no"]): line["reason"]
        for line in lines
        if line["type"] == "RECORD"
    }


def _report(log: Iterable[str]) -> None:
    """Show the target's own last words."""
    for line in log:
        if " read = " in line:
            print(f"  target-planhat: {line.split('target-planhat', 1)[1].strip()}")


def _heading(text: str) -> None:
    print(f"\n{text}\n{'-' * len(text)}")


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows under a header: numbers to the right, long text cut."""
    lines = [[str(value)[:42] for value in row] for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = [
            cell.rjust(width) if cell.replace(",", "").isdigit() else cell.ljust(width)
            for cell, width in zip(line, widths, strict=True)
        ]
        print("  " + "  ".join(cells).rstrip())


def _short(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


if __name__ == "__main__":
    sys.exit(main())
