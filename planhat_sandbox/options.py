"""The settings of a sandbox, as its command line and tests give them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from math import inf
from types import NoneType

_RANGES = {"latency_ms": (0, inf), "error_rate": (0, 1), "rate_limit": (1, inf)}
ADJUSTABLE = tuple(_RANGES)
"""What may be changed while a sandbox runs."""


class TaskDates(Enum):
    """Which tasks carry `createdAt` and `updatedAt`: tenants differ."""

    ALL = "all"
    SOME = "some"
    """Those made or changed lately; old ones do not."""
    FEW = "few"
    """One of four, of any age, as in the page's example of a list."""
    NONE = "none"


class UnknownId(Enum):
    """What a bulk upsert does with an `_id` that matches nothing, beside another key."""

    CREATES = "creates"
    NEXT_KEY = "next-key"


@dataclass(frozen=True)
class SandboxOptions:
    """How a sandbox behaves."""

    seed: int = 1
    """Fixes the demo tenant and everything that varies from answer to answer."""
    token: str | None = None
    """The only token accepted; None: any."""
    latency_ms: int = 0
    """Added to every answer."""
    error_rate: float = 0.0
    """Share of answers, 0 to 1, that are a fault instead."""
    rate_limit: int | None = None
    """Calls a minute before 429; None: no limit."""
    steady: bool = False
    """Do not vary what Planhat leaves open: every answer is complete, ties are in `_id` order."""
    unknown_id: UnknownId | None = None
    """None: as the seed says, and the next key is tried where nothing varies."""
    task_dates: TaskDates = TaskDates.SOME
    timestamps: bool = False
    """Campaigns and conversations carry `createdAt` and `updatedAt`, as on newer tenants."""
    full_lists: bool = False
    """Lists hold every property; else those of conversations leave out, unless they are
    selected, what the page's list row has not."""
    no_store: bool = False
    """Answer bulk upserts at once as created and store nothing: for measuring clients."""

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            ValueError: One is out of its range; the text begins with the option's name.
        """
        for name, (least, most) in _RANGES.items():
            value = getattr(self, name)
            if not isinstance(value, (int, float, NoneType)):
                raise ValueError(f"{name} must be a number")  # noqa: TRY004 - said as the others
            if value is not None and not least <= value <= most:
                bounds = f"at least {least}" if most == inf else f"between {least} and {most}"
                raise ValueError(f"{name} must be {bounds}")
