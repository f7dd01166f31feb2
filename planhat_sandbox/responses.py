"""An HTTP answer as a value.

Knows no resource and no server.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping

JSON = "application/json; charset=utf-8"


@dataclass(frozen=True)
class SandboxResponse:
    """Status and body of an answer."""

    status: int
    body: bytes
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    rows: int = 0
    """Rows of the list it holds, for the statistics."""


def as_json(status: int, value: Any, *, rows: int = 0) -> SandboxResponse:
    """Return an answer with a JSON body."""
    return SandboxResponse(status, orjson.dumps(value), rows=rows)


def as_text(status: int, text: str) -> SandboxResponse:
    """Return an answer whose body is no JSON; HTML when it begins so."""
    kind = "text/html" if text.startswith("<") else "text/plain"
    return SandboxResponse(status, text.encode(), f"{kind}; charset=utf-8")
