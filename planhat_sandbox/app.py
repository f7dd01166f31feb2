"""The ASGI application: HTTP in front of the service and the control API.

Knows no resource: what a request means is decided in `service.py`.
"""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

from planhat_sandbox.control import Call, Control
from planhat_sandbox.responses import SandboxResponse, json_response, text_response
from planhat_sandbox.service import SandboxRequest, answer
from planhat_sandbox.tenant.directory import NAMES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from planhat_sandbox.faults import Effects
    from planhat_sandbox.tenant.tenant import Tenant

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]

MAX_BODY = 32 * 1024 * 1024
"""Bytes of a request before 413."""
MAX_PARALLEL = 50
"""Requests under way at once before 429."""
WINDOW = 60.0
"""Seconds over which calls are counted against the rate limit."""
CONTROL = "__sandbox"
_SPEND_BODY = 0.5


class App:
    """A sandbox as an ASGI application."""

    def __init__(self, tenant: Tenant, *, abort: Callable[[Any], None] = lambda _: None) -> None:
        """Serve a tenant.

        Args:
            tenant: What is served.
            abort: Breaks the connection of a client address, as ASGI itself cannot.
        """
        self.tenant = tenant
        self.control = Control(tenant)
        self._abort = abort
        self._window_end = 0.0
        self._left = 0

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        body = await _read(receive)
        parts = [unquote(part) for part in scope["raw_path"].decode("latin-1").split("/")[1:]]
        if parts[0] == CONTROL:
            given = self.control.answer(scope["method"], parts[1:], body or b"")
            await _send(send, given)
            return
        self.control.begin()
        effects, reply = await self._serve(scope, parts, body)
        broken = reply is None or (effects is not None and effects.drop is not None)
        self.control.end(
            Call(
                scope["method"],
                parts[0],
                parts[1] if len(parts) > 1 else None,
                _params(scope),
                0 if reply is None or broken else reply.status,
                reply.rows if reply else 0,
            )
        )
        if reply is not None and not broken:
            await _send(send, reply)
            return
        if reply is not None and effects is not None and effects.drop == "within":
            await _send(send, reply, share=_SPEND_BODY)
        self._abort(scope["client"])
        # Only once the server knows of the break may the application return without an answer.
        while (await receive())["type"] != "http.disconnect":
            pass

    async def _serve(
        self, scope: Message, parts: list[str], body: bytes | None
    ) -> tuple[Effects | None, SandboxResponse | None]:
        """Return the effects in force and the answer; no answer: the connection is to break."""
        options = self.tenant.options
        if options.latency_ms:
            await asyncio.sleep(options.latency_ms / 1000)
        if refusal := self._gate(scope, body):
            return None, refusal
        name = parts[0]
        if name not in NAMES or len(parts) > 2:  # noqa: PLR2004
            return None, text_response(404, f"Cannot {scope['method']} {scope['path']}")
        effects = self.control.faults.take(
            scope["method"], name, rng=self.tenant.rng, error_rate=options.error_rate
        )
        if effects.delay_ms:
            await asyncio.sleep(effects.delay_ms / 1000)
        if effects.drop == "before":
            return effects, None
        if effects.status is not None:
            return effects, self._limited(_fault_response(effects))
        request = SandboxRequest(
            scope["method"],
            name,
            (parts[1] or None) if len(parts) > 1 else None,
            _params(scope),
            body or b"",
        )
        reply = answer(self.tenant, request, effects)
        if request.method == "GET" and request.key is None:
            for changes in self.control.changes:
                changes.after_list(self.tenant, name)
        if effects.not_json:
            reply = text_response(reply.status, effects.text or "upstream connect error")
        return effects, self._limited(reply)

    def _gate(self, scope: Message, body: bytes | None) -> SandboxResponse | None:
        """Return why a request is not let through: its token, the rate limit, its size."""
        options = self.tenant.options
        headers = dict(scope["headers"])
        kind, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        if kind.lower() != "bearer" or not token or options.token not in {None, token}:
            return json_response(401, {"error": "Unauthorized"})
        if body is None:
            return text_response(413, "request entity too large")
        return self._limit()

    def _limit(self) -> SandboxResponse | None:
        """Count a call against the limits, and return the answer to one too many."""
        options = self.tenant.options
        if self.control.in_flight > MAX_PARALLEL:
            return json_response(429, {"error": "Too Many Requests"})
        if options.rate_limit is None:
            return None
        now = monotonic()
        if now >= self._window_end:
            self._window_end, self._left = now + WINDOW, options.rate_limit
        if self._left > 0:
            self._left -= 1
            return None
        refusal = self._limited(json_response(429, {"error": "Too Many Requests"}))
        if options.steady or self.tenant.rng.random() < 0.5:  # noqa: PLR2004
            seconds = str(max(1, round(self._window_end - now)))
            return SandboxResponse(
                refusal.status,
                refusal.body,
                refusal.content_type,
                {**refusal.headers, "Retry-After": seconds},
            )
        return refusal

    def _limited(self, reply: SandboxResponse) -> SandboxResponse:
        """Return an answer with the rate limit's headers, if there is a limit."""
        if self.tenant.options.rate_limit is None:
            return reply
        prefix = "x-ratelimit" if self.tenant.habits.joined_limit_headers else "X-Rate-Limit"
        headers = {
            **reply.headers,
            f"{prefix}-Limit": str(self.tenant.options.rate_limit),
            f"{prefix}-Remaining": str(self._left),
        }
        return SandboxResponse(reply.status, reply.body, reply.content_type, headers, reply.rows)


def _fault_response(effects: Effects) -> SandboxResponse:
    status = effects.status or 500
    if effects.text is not None:
        made = text_response(status, effects.text)
    else:
        made = json_response(status, effects.body)
    return SandboxResponse(made.status, made.body, made.content_type, effects.headers)


def _params(scope: Message) -> dict[str, str]:
    return dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))


async def _read(receive: Receive) -> bytes | None:
    """Return the request's body; None when it is larger than is taken, read all the same."""
    chunks: list[bytes] = []
    size = 0
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            break
        chunk = message.get("body", b"")
        size += len(chunk)
        if size <= MAX_BODY:
            chunks.append(chunk)
        more = message.get("more_body", False)
    return b"".join(chunks) if size <= MAX_BODY else None


async def _send(send: Send, reply: SandboxResponse, *, share: float = 1.0) -> None:
    """Send an answer, or the beginning of one."""
    headers = [
        (b"content-type", reply.content_type.encode()),
        (b"content-length", str(len(reply.body)).encode()),
        *((name.lower().encode(), value.encode()) for name, value in reply.headers.items()),
    ]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    whole = share >= 1
    body = reply.body if whole else reply.body[: int(share * len(reply.body))]
    await send({"type": "http.response.body", "body": body, "more_body": not whole})
