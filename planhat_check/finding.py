"""What a check has found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

TENANT = "tenant"
"""The resource of findings about the tenant as a whole."""


class Status(Enum):
    """What a finding means for the connectors."""

    OK = "ok"
    WARN = "warn"
    """They work, at a price that the finding names."""
    FAIL = "fail"
    """They do not work."""
    UNKNOWN = "unknown"
    """It could not be found out."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    resource: str
    check: str
    status: Status
    seen: str
    follows: str = ""
