"""The control API, `/__sandbox/…`: what tests and people ask of the sandbox itself."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import orjson

from planhat_api.resources import RESOURCES
from planhat_api.sandbox import listing
from planhat_api.sandbox.answers import Answer, as_json
from planhat_api.sandbox.changes import Changes
from planhat_api.sandbox.faults import BadFaultError, Faults
from planhat_api.sandbox.tenant import Company

if TYPE_CHECKING:
    from planhat_api.sandbox.tenant import Tenant

REMEMBERED = 2000
"""Calls whose details are kept."""


@dataclass(frozen=True)
class Call:
    """One call to a resource."""

    method: str
    resource: str
    key: str | None
    params: dict[str, str]
    status: int
    """0: the connection was broken."""
    rows: int
    """Rows of the page it was answered with."""


class Control:
    """Statistics, faults and changes of a running sandbox."""

    def __init__(self, tenant: Tenant) -> None:
        """Start with nothing counted and nothing wrong."""
        self.tenant = tenant
        self.clear()

    def clear(self) -> None:
        """Forget what was counted, and the faults and changes."""
        self.faults = Faults()
        self.changes: list[Changes] = []
        self.counts: Counter[str] = Counter()
        self.calls: deque[Call] = deque(maxlen=REMEMBERED)
        self.rows = 0
        self.in_flight = 0
        self.most_in_flight = 0

    def begin(self) -> None:
        """Count a call as under way."""
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)

    def end(self, call: Call) -> None:
        """Count a call as answered."""
        self.in_flight -= 1
        self.counts[f"{call.method} {call.resource}"] += 1
        self.rows += call.rows
        self.calls.append(call)

    def stats(self) -> dict[str, Any]:
        """Return what was counted since the start or the last reset."""
        return {
            "calls": dict(self.counts),
            "total": sum(self.counts.values()),
            "rows": self.rows,
            "max_concurrent": self.most_in_flight,
        }

    def answer(self, method: str, path: list[str], body: bytes) -> Answer:
        """Answer a call to the control API; `path` is what follows `/__sandbox`."""
        try:
            given = orjson.loads(body) if body else None
            found = self._route(method, path, given)
        except (orjson.JSONDecodeError, BadFaultError, KeyError, TypeError) as error:
            return as_json(400, {"error": str(error)})
        return found or as_json(404, {"error": "no such control, see planhat-sandbox --help"})

    def _route(self, method: str, path: list[str], given: Any) -> Answer | None:
        match method, path:
            case "GET", ["stats"]:
                return as_json(200, self.stats())
            case "GET", ["calls"]:
                return as_json(200, [asdict(call) for call in self.calls])
            case "GET", ["faults"]:
                return as_json(200, self.faults.listed())
            case "GET", ["changes"]:
                return as_json(200, [item.listed() for item in self.changes])
            case "GET", ["companies"]:
                return as_json(200, [asdict(one) for one in self.tenant.companies.values()])
            case "GET", ["dump", str() as name] if name in RESOURCES:
                rows = self.tenant.tables[name].rows.values()
                return Answer(200, b"[" + b",".join(rows) + b"]", rows=len(rows))
            case "POST", ["faults"]:
                for wanted in _many(given):
                    self.faults.add(wanted)
                return as_json(200, self.faults.listed())
            case "POST", ["changes"]:
                return as_json(200, self._add_changes(given))
            case "POST", ["companies"]:
                return as_json(200, self._add_companies(given))
            case "POST", ["load", str() as name] if name in RESOURCES:
                return as_json(200, {"loaded": self._load(name, _many(given))})
            case "POST", ["reset"]:
                return as_json(200, self._reset(given or {}))
        return None

    def _add_changes(self, given: Any) -> list[dict[str, Any]]:
        for wanted in _many(given):
            if wanted["resource"] not in RESOURCES:
                raise KeyError(wanted["resource"])
            changes = Changes(**wanted)
            if changes.every:
                self.changes.append(changes)
            else:
                # every=0: at once, and never again.
                changes.apply(self.tenant, RESOURCES[changes.resource])
        return [item.listed() for item in self.changes]

    def _add_companies(self, given: Any) -> list[dict[str, Any]]:
        made = [
            Company(
                one.get("_id") or self.tenant.new_id(),
                one["name"],
                one.get("externalId"),
                one.get("sourceId"),
            )
            for one in _many(given)
        ]
        return [asdict(self.tenant.add_company(company)) for company in made]

    def _load(self, name: str, rows: list[dict[str, Any]]) -> int:
        resource, table = RESOURCES[name], self.tenant.tables[name]
        docs = [listing.table_row(row, resource) for row in rows]
        self.tenant.learn(docs)
        for doc in docs:
            table.put({"_id": self.tenant.new_id(), **doc})
        return len(docs)

    def _reset(self, given: dict[str, Any]) -> dict[str, Any]:
        """Forget faults, changes and counts; with `rows`, all records too."""
        self.clear()
        if given.get("rows"):
            self.tenant.clear()
        return self.stats()


def _many(given: Any) -> list[Any]:
    return given if isinstance(given, list) else [given]
