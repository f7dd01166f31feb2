"""The control API, `/__sandbox/…`: reads and sets records, calls, faults and options.

It is not part of Planhat's API. Tests, people with curl and the page use it.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import orjson

from planhat_api.resources import RESOURCES
from planhat_sandbox.calls import CallLog
from planhat_sandbox.faults import Faults
from planhat_sandbox.options import ADJUSTABLE
from planhat_sandbox.responses import SandboxResponse, json_response
from planhat_sandbox.tenant import directory, listing, search
from planhat_sandbox.tenant.changes import Changes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from planhat_sandbox.calls import ServedCall
    from planhat_sandbox.tenant.tenant import Tenant


class Control:
    """Keeps the calls, faults and changes of a running sandbox, and answers the control API."""

    def __init__(self, tenant: Tenant) -> None:
        """Start with no calls, faults or changes."""
        self.tenant = tenant
        self.clear()
        self._operations: Mapping[tuple[str, str], Callable[..., Any]] = MappingProxyType(
            {
                ("GET", "stats"): lambda _: self.log.stats(),
                ("GET", "calls"): self._calls,
                ("GET", "latest"): self._latest,
                ("GET", "state"): lambda _: self._state(),
                ("GET", "records"): self._records,
                ("GET", "faults"): lambda _: self.faults.listed(),
                ("GET", "changes"): lambda _: self._changes(),
                ("GET", "dump"): self._dump,
                ("POST", "faults"): self._add_faults,
                ("DELETE", "faults"): self._remove_fault,
                ("POST", "changes"): self._add_changes,
                ("DELETE", "changes"): self._remove_changes,
                ("POST", "options"): self._set_options,
                ("POST", "load"): self._load,
                ("POST", "reset"): self._reset,
            }
        )

    def clear(self) -> None:
        """Forget calls, faults and changes."""
        self.log = CallLog()
        self.faults = Faults()
        self.changes: list[Changes] = []

    @property
    def calls(self) -> list[ServedCall]:
        """The latest calls, oldest first."""
        return list(self.log.calls)

    def stats(self) -> dict[str, Any]:
        """Return the counts since the start or the last reset."""
        return self.log.stats()

    def answer(
        self, method: str, path: list[str], body: bytes, params: Mapping[str, str] | None = None
    ) -> SandboxResponse:
        """Answer a call to the control API.

        Args:
            method: GET, POST or DELETE.
            path: What follows `/__sandbox`, by its parts.
            body: JSON, or nothing.
            params: The query.
        """
        operation = self._operations.get((method, path[0] if path else ""))
        if operation is None:
            return json_response(404, {"error": "no such control, see planhat-sandbox --help"})
        try:
            given = (params or {}) if method == "GET" else orjson.loads(body) if body else None
            found = operation(given, *path[1:])
        except KeyError as error:
            return json_response(400, {"error": f"{error.args[0]} is missing"})
        except LookupError as error:
            return json_response(404, {"error": str(error)})
        except (ValueError, TypeError) as error:
            return json_response(400, {"error": str(error)})
        return found if isinstance(found, SandboxResponse) else json_response(200, found)

    def _calls(self, _: Any) -> list[dict[str, Any]]:
        return [asdict(call) for call in self.log.calls]

    def _latest(self, _: Any, number: str = "") -> Any:
        return self.log.with_bodies(int(number)) if number else self.log.latest()

    def _state(self) -> dict[str, Any]:
        """Return the counts, options, faults and changes in force."""
        return {
            "records": {name: search.count(self.tenant, name) for name in directory.NAMES},
            "stats": self.log.stats(),
            "options": self._options(),
            "faults": self.faults.listed(),
            "changes": self._changes(),
        }

    def _records(self, given: Mapping[str, str], name: str) -> SandboxResponse:
        offset, limit = (int(given.get(key, value)) for key, value in _PAGE.items())
        text = given.get("search", "")
        rows, more = search.page(self.tenant, _known(name), text, offset, limit)
        end = b'],"more":' + orjson.dumps(more) + b"}"
        return SandboxResponse(200, b'{"rows":[' + b",".join(rows) + end)

    def _dump(self, _: Any, name: str) -> SandboxResponse:
        rows = search.encoded(self.tenant, _known(name))
        return SandboxResponse(200, b"[" + b",".join(rows) + b"]")

    def _add_faults(self, given: Any) -> list[dict[str, Any]]:
        for wanted in _many(given):
            self.faults.add(wanted)
        return self.faults.listed()

    def _remove_fault(self, _: Any, number: str) -> list[dict[str, Any]]:
        self.faults.remove(int(number))
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

    def _remove_changes(self, _: Any, place: str) -> list[dict[str, Any]]:
        del self.changes[int(place)]
        return self._changes()

    def _changes(self) -> list[dict[str, Any]]:
        return [item.listed() for item in self.changes]

    def _set_options(self, given: Any) -> dict[str, Any]:
        if unknown := set(given) - set(ADJUSTABLE):
            raise ValueError(f"cannot be changed: {', '.join(sorted(unknown))}")
        self.tenant.options = replace(self.tenant.options, **given)
        return self._options()

    def _options(self) -> dict[str, Any]:
        return {name: getattr(self.tenant.options, name) for name in ADJUSTABLE}

    def _load(self, given: Any, name: str) -> dict[str, int]:
        rows = _many(given)
        if _known(name) in directory.LISTS:
            for row in rows:
                directory.load(self.tenant, name, row)
            return {"loaded": len(rows)}
        docs = [listing.table_row(row, RESOURCES[name]) for row in rows]
        self.tenant.learn(docs)
        for doc in docs:
            self.tenant.tables[name].put({"_id": self.tenant.new_id(), **doc})
        return {"loaded": len(rows)}

    def _reset(self, given: Any) -> dict[str, Any]:
        """Forget faults, changes and calls; with `rows` the records too, or back to the sample."""
        rows = (given or {}).get("rows")
        if rows == "sample":
            self.tenant.restore()
        elif rows:
            self.tenant.clear()
        self.clear()
        return self.stats()


_PAGE = {"offset": 0, "limit": 50}
"""Query parameter of a page of records -> its default."""


def _known(name: str) -> str:
    if name not in directory.NAMES:
        raise LookupError(f"no such list: {name}")
    return name


def _many(given: Any) -> list[Any]:
    return given if isinstance(given, list) else [given]
