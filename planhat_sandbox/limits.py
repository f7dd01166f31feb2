"""The rate limit: answers 429 to too many calls a minute, or at once."""

from __future__ import annotations

from dataclasses import replace
from time import monotonic
from typing import TYPE_CHECKING

from planhat_sandbox.responses import json_response

if TYPE_CHECKING:
    from planhat_sandbox.responses import SandboxResponse
    from planhat_sandbox.tenant.tenant import Tenant

WINDOW = 60.0
"""Seconds over which calls are counted."""
MAX_PARALLEL = 50
"""Calls in flight before 429."""


class RateLimit:
    """Counts the calls to a tenant against its limit."""

    def __init__(self, tenant: Tenant) -> None:
        """Begin to count with the first call."""
        self._tenant = tenant
        self._window_end = 0.0
        self._left = 0

    def take(self, in_flight: int) -> SandboxResponse | None:
        """Count a call, and return a 429 where it is one too many."""
        if in_flight > MAX_PARALLEL:
            return json_response(429, {"error": "Too Many Requests"})
        limit = self._tenant.options.rate_limit
        if limit is None:
            return None
        now = monotonic()
        if now >= self._window_end:
            self._window_end, self._left = now + WINDOW, limit
        if self._left > 0:
            self._left -= 1
            return None
        return self._too_many(self._window_end - now)

    def with_headers(self, reply: SandboxResponse) -> SandboxResponse:
        """Return an answer with the limit in its headers, if there is a limit."""
        limit = self._tenant.options.rate_limit
        if limit is None:
            return reply
        prefix = "x-ratelimit" if self._tenant.habits.joined_limit_headers else "X-Rate-Limit"
        limits = {f"{prefix}-Limit": str(limit), f"{prefix}-Remaining": str(self._left)}
        return replace(reply, headers={**reply.headers, **limits})

    def _too_many(self, seconds: float) -> SandboxResponse:
        reply = self.with_headers(json_response(429, {"error": "Too Many Requests"}))
        if self._tenant.options.steady or self._tenant.rng.random() < 0.5:  # noqa: PLR2004
            later = {"Retry-After": str(max(1, round(seconds)))}
            return replace(reply, headers={**reply.headers, **later})
        return reply
