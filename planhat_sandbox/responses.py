"""The answer to a request, as a value."""

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
    note: str = ""
    """What an upsert did, for the log."""


def json_response(status: int, value: Any, *, note: str = "") -> SandboxResponse:
    """Return an answer with a JSON body."""
    return SandboxResponse(status, orjson.dumps(value), note=note)


def text_response(status: int, text: str) -> SandboxResponse:
    """Return an answer whose body is not JSON: HTML when it begins with `<`."""
    kind = "text/html" if text.startswith("<") else "text/plain"
    return SandboxResponse(status, text.encode(), f"{kind}; charset=utf-8")
