"""How long the lists are, and what reading them whole will cost."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, isqrt
from typing import TYPE_CHECKING

from planhat_api.errors import PlanhatError
from planhat_api.pages import PAGE_BYTES
from planhat_check.finding import TENANT, Finding, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from planhat_check.lists import ListProbe

_PARALLEL = 4
"""Page requests in flight, by default."""
_STRIDE = 8
"""Factor for the next offset to ask at, where a list has a row at the last one."""
_CLOSE = 1.25
"""Ratio of the upper to the lower bound of a length that is precise enough."""
_BESIDES = 8
"""Calls that a full sync of a list takes besides its pages: samples, its end, pages behind it."""
MOST_ROWS = 10**9


@dataclass
class Length:
    """How long a list is, as far as it is known."""

    probe: ListProbe
    least: int
    most: int | None
    """None: not known."""
    stuck: bool = False
    """Whether a call failed, so that no more can be found out."""

    @property
    def is_known(self) -> bool:
        """Whether it is known precisely enough."""
        return self.stuck or (
            self.most is not None and self.most <= max(self.least + 1, self.least * _CLOSE)
        )

    @property
    def guess(self) -> int:
        """The likeliest length."""
        if self.most is None:
            return 2 * self.least
        # Halfway on a scale of sizes.
        return self.least if self.most <= self.least + 1 else isqrt(self.least * self.most)

    def __str__(self) -> str:
        """Return it in words."""
        if self.most is None:
            return f"more than {self.least:,} rows"
        if self.most <= self.least + 1:
            return f"{self.least:,} rows"
        return f"{self.least:,} to {self.most:,} rows"

    def look(self) -> None:
        """Ask for one row, to know more."""
        at = self.least * _STRIDE if self.most is None else isqrt(self.least * self.most)
        try:
            there = self.probe.behind(at)
        except PlanhatError:
            self.stuck = True
            return
        if there:
            self.least = at + 1
            self.stuck = at > MOST_ROWS
        else:
            self.most = at


def lengths(probes: Iterable[ListProbe]) -> list[Length]:
    """Return the lengths of lists, as far as the calls that are left go.

    Args:
        probes: The lists, each of which has been looked at already.
    """
    found = [length for probe in probes if (length := _first(probe)) is not None]
    while pending := [length for length in found if not length.is_known]:
        # The one of which least is known comes first.
        min(pending, key=lambda length: (length.most is not None, -length.least)).look()
    return found


def _first(probe: ListProbe) -> Length | None:
    try:
        probe.newest()
        got = len(probe.widest().rows)
        more = got > 0 and probe.behind(got)
    except PlanhatError:
        return None
    return Length(probe, got + more, None if more else got)


def costs(found: Sequence[Length], requests_per_minute: int) -> list[Finding]:
    """Return what a first sync takes, by list and in all."""
    findings, calls, seconds = [], 0, 0.0
    for length in found:
        page = length.probe.newest()
        row = page.size / max(1, len(page.rows))
        pages = min(len(length.probe.widest().rows), int(PAGE_BYTES // max(1.0, row)))
        needed = ceil(length.guess / max(1, pages - 1)) + _BESIDES
        calls += needed
        seconds += length.guess * page.seconds / max(1, len(page.rows)) / _PARALLEL
        findings.append(
            Finding(
                length.probe.name,
                "length",
                Status.UNKNOWN if length.stuck else Status.OK,
                f"{length}, of about {row / 1000:.1f} KB",
                f"a first sync takes about {needed:,} calls, a rescan as many",
            )
        )
    minutes = max(calls / requests_per_minute, seconds / 60)
    if findings:
        seen = f"about {sum(length.guess for length in found):,} rows in {len(found)} lists"
        follows = (
            f"a first sync takes about {calls:,} calls and {_words(minutes)}, a rescan as long"
        )
        findings.append(Finding(TENANT, "cost", Status.OK, seen, follows))
    return findings


def _words(minutes: float) -> str:
    return "less than a minute" if minutes < 1 else f"{ceil(minutes):,} minutes"
