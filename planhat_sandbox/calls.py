"""Counts the calls to a sandbox, and keeps the latest of them with their bodies."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import asdict, dataclass
from typing import Any

REMEMBERED = 2000
"""Calls whose details are kept."""
WITH_BODIES = 100
"""Calls whose bodies are kept too."""
LONGEST_BODY = 65_536
"""Bytes of a body that are kept."""


@dataclass(frozen=True)
class ServedCall:
    """One call, and what it was answered."""

    method: str
    resource: str
    key: str | None
    params: dict[str, str]
    status: int
    """0: the connection was broken."""
    rows: int
    """Rows of the page it was answered with."""
    target: str = ""
    """Path and query, as they were sent."""
    note: str = ""
    """What an upsert did."""
    ms: float = 0.0

    def line(self) -> str:
        """Return the call as one line of a log."""
        listed = self.method == "GET" and self.key is None and self.status == 200  # noqa: PLR2004
        what = self.note or (f"{self.rows} rows" if listed else "")
        status = str(self.status or "broken")
        parts = [f"{self.method} {self.target} {status}", what, f"{self.ms:.0f} ms"]
        text = ", ".join(filter(None, parts))
        return "".join(char if char.isprintable() else "?" for char in text)


@dataclass(frozen=True)
class _Bodies:
    call: ServedCall
    sent: bytes
    answered: bytes
    lengths: tuple[int, int]


class CallLog:
    """Counts and remembers calls."""

    def __init__(self) -> None:
        """Start with nothing counted."""
        self.calls: deque[ServedCall] = deque(maxlen=REMEMBERED)
        self.rows = 0
        self.in_flight = 0
        self._most_in_flight = 0
        self._counts: Counter[str] = Counter()
        self._total = 0
        self._bodies: deque[tuple[int, _Bodies]] = deque(maxlen=WITH_BODIES)

    def begin(self) -> None:
        """Count a call that has begun."""
        self.in_flight += 1
        self._most_in_flight = max(self._most_in_flight, self.in_flight)

    def end(self, call: ServedCall, sent: bytes = b"", answered: bytes = b"") -> None:
        """Count a call that has ended, and keep it."""
        self.in_flight -= 1
        self._total += 1
        self._counts[f"{call.method} {call.resource}"] += 1
        self.rows += call.rows
        self.calls.append(call)
        kept = sent[:LONGEST_BODY], answered[:LONGEST_BODY]
        bodies = _Bodies(call, *kept, (len(sent), len(answered)))
        self._bodies.append((self._total, bodies))

    def stats(self) -> dict[str, Any]:
        """Return what was counted."""
        return {
            "calls": dict(self._counts),
            "total": self._total,
            "rows": self.rows,
            "max_concurrent": self._most_in_flight,
        }

    def latest(self) -> list[dict[str, Any]]:
        """Return the latest calls by number, newest first, without their bodies."""
        return [{"number": number, **asdict(one.call)} for number, one in reversed(self._bodies)]

    def with_bodies(self, number: int) -> dict[str, Any]:
        """Return a call with what was sent and answered, cut where it is long.

        Raises:
            LookupError: The call is not kept, or not any more.
        """
        found = dict(self._bodies).get(number)
        if found is None:
            raise LookupError(f"call {number} is not kept")
        return {
            "number": number,
            **asdict(found.call),
            "sent": found.sent.decode(errors="replace"),
            "sent_bytes": found.lengths[0],
            "answered": found.answered.decode(errors="replace"),
            "answered_bytes": found.lengths[1],
        }
