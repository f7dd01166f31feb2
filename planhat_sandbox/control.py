"""The control API, `/__sandbox/…`: what tests and people ask of the sandbox itself.

No part of Planhat: nothing here may change how the four resources answer, unless asked to.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import orjson

from planhat_api.resources import RESOURCES
from planhat_sandbox.faults import Faults
from planhat_sandbox.responses import SandboxResponse, json_response
from planhat_sandbox.tenant import directory, listing
from planhat_sandbox.tenant.changes import Changes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from planhat_sandbox.tenant.tenant import Tenant

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
        self._operations: Mapping[tuple[str, str], Callable[..., Any]] = MappingProxyType(
            {
                ("GET", "stats"): lambda _: self.stats(),
                ("GET", "calls"): lambda _: [asdict(call) for call in self.calls],
                ("GET", "faults"): lambda _: self.faults.listed(),
                ("GET", "changes"): lambda _: self._changes(),
                ("GET", "dump"): self._dump,
                ("POST", "faults"): self._add_faults,
                ("POST", "changes"): self._add_changes,
                ("POST", "load"): self._load,
                ("POST", "reset"): self._reset,
            }
        )

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

    def answer(self, method: str, path: list[str], body: bytes) -> SandboxResponse:
        """Answer a call to the control API; `path` is what follows `/__sandbox`."""
        operation = self._operations.get((method, path[0] if path else ""))
        try:
            if operation is None or [name for name in path[1:] if name not in directory.NAMES]:
                return json_response(404, {"error": "no such control, see planhat-sandbox --help"})
            found = operation(orjson.loads(body) if body else None, *path[1:])
        except KeyError as error:
            return json_response(400, {"error": f"{error.args[0]} is missing"})
        except (ValueError, TypeError) as error:
            return json_response(400, {"error": str(error)})
        return found if isinstance(found, SandboxResponse) else json_response(200, found)

    def _dump(self, _: Any, name: str) -> SandboxResponse:
        if name in directory.LISTS:
            return json_response(200, directory.dump(self.tenant, name))
        rows = self.tenant.tables[name].rows.values()
        return SandboxResponse(200, b"[" + b",".join(rows) + b"]", rows=len(rows))

    def _add_faults(self, given: Any) -> list[dict[str, Any]]:
        for wanted in _many(given):
            self.faults.add(wanted)
        return self.faults.listed()

    def _add_changes(self, given: Any) -> list[dict[str, Any]]:
        for wanted in _many(given):
            changes = Changes(**wanted)
            if changes.every:
                self.changes.append(changes)
            else:
                # every=0: at once, and never again.
                changes.apply(self.tenant)
        return self._changes()

    def _changes(self) -> list[dict[str, Any]]:
        return [item.listed() for item in self.changes]

    def _load(self, given: Any, name: str) -> dict[str, int]:
        if name in directory.LISTS:
            for row in _many(given):
                directory.load(self.tenant, name, row)
            return {"loaded": len(_many(given))}
        resource, table = RESOURCES[name], self.tenant.tables[name]
        docs = [listing.table_row(row, resource) for row in _many(given)]
        self.tenant.learn(docs)
        for doc in docs:
            table.put({"_id": self.tenant.new_id(), **doc})
        return {"loaded": len(docs)}

    def _reset(self, given: Any) -> dict[str, Any]:
        """Forget faults, changes and counts; with `rows`, all records too."""
        self.clear()
        if (given or {}).get("rows"):
            self.tenant.clear()
        return self.stats()


def _many(given: Any) -> list[Any]:
    return given if isinstance(given, list) else [given]
