"""Where a record comes from, for reports and the reject file."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from target_planhat.lines import decoded


@dataclass(frozen=True, eq=False)
class Source:
    """A stream under one SCHEMA; small, as every record that waits refers to one."""

    stream: str
    """The name the tap gives it; that of the map for a further stream made by a map."""
    line: bytes
    """The SCHEMA message."""
    properties: frozenset[str] = frozenset()
    """The properties that its announced columns are sent as."""

    @cached_property
    def schema(self) -> dict[str, Any]:
        """The SCHEMA message, decoded."""
        return decoded(self.line)  # type: ignore[no-any-return]
