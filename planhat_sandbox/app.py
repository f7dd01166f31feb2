"""The ASGI application: answers HTTP requests for the resources, the control API and the page."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

from planhat_sandbox import origin, page
from planhat_sandbox.calls import ServedCall
from planhat_sandbox.control import Control
from planhat_sandbox.limits import RateLimit
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
CONTROL = "__sandbox"
FOREIGN = "made by a page of another site, or for another site's name: see --host"
_SENT_BEFORE_BREAK = 0.5
"""Share of a body that is sent before the connection breaks within it."""


class App:
    """A sandbox as an ASGI application."""

    def __init__(
        self,
        tenant: Tenant,
        *,
        abort: Callable[[Any], None] = lambda _: None,
        log: Callable[[str], None] | None = None,
        own_name: str = "",
    ) -> None:
        """Serve a tenant.

        Args:
            tenant: What is served.
            abort: Breaks the connection of a client address, as ASGI itself cannot.
            log: Takes a line for each request.
            own_name: The host name that it is reached by, beside local ones.
        """
        self.tenant = tenant
        self.control = Control(tenant)
        self._abort = abort
        self._log = log
        self._own_name = own_name
        self._limits = RateLimit(tenant)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        body = await _read(receive)
        parts = [unquote(part) for part in scope["raw_path"].decode("latin-1").split("/")[1:]]
        own = self._answer_page(scope, parts, body)
        if own is not None:
            await _send(send, own)
            return
        log, began = self.control.log, monotonic()
        log.begin()
        effects, reply = await self._serve(scope, parts, body)
        broken = reply is None or (effects is not None and effects.drop is not None)
        call = _call(scope, parts, reply, broken=broken, seconds=monotonic() - began)
        log.end(call, body or b"", reply.body if reply else b"")
        if self._log:
            self._log(call.line())
        if reply is not None and not broken:
            await _send(send, reply)
            return
        if reply is not None and effects is not None and effects.drop == "within":
            await _send(send, reply, share=_SENT_BEFORE_BREAK)
        self._abort(scope["client"])
        # Only once the server knows of the break may the application return without an answer.
        while (await receive())["type"] != "http.disconnect":
            pass

    def _answer_page(
        self, scope: Message, parts: list[str], body: bytes | None
    ) -> SandboxResponse | None:
        """Return the answer to a call for the page or to the control API; None: it is neither."""
        if parts == [""] and scope["method"] == "GET":
            return page.response()
        if parts[0] != CONTROL:
            return None
        if origin.is_foreign(dict(scope["headers"]), self._own_name):
            return json_response(403, {"error": FOREIGN})
        return self.control.answer(scope["method"], parts[1:], body or b"", _params(scope))

    async def _serve(
        self, scope: Message, parts: list[str], body: bytes | None
    ) -> tuple[Effects | None, SandboxResponse | None]:
        """Return the faults of a request and its answer; None: break the connection instead."""
        options = self.tenant.options
        if options.latency_ms:
            await asyncio.sleep(options.latency_ms / 1000)
        if over := self._gate(scope, body):
            return None, over
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
            return effects, self._limits.with_headers(_fault_response(effects))
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
        return effects, self._limits.with_headers(reply)

    def _gate(self, scope: Message, body: bytes | None) -> SandboxResponse | None:
        """Return an error where the token, the size, the origin or the rate limit is wrong."""
        options = self.tenant.options
        headers = dict(scope["headers"])
        kind, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        if kind.lower() != "bearer" or not token or options.token not in {None, token}:
            return json_response(401, {"error": "Unauthorized"})
        if body is None:
            return text_response(413, "request entity too large")
        # Programs name no origin; pages of other sites do, whenever they change anything.
        if b"origin" in headers and origin.is_foreign(headers, self._own_name):
            return json_response(403, {"error": FOREIGN})
        return self._limits.take(self.control.log.in_flight)


def _call(
    scope: Message,
    parts: list[str],
    reply: SandboxResponse | None,
    *,
    broken: bool,
    seconds: float,
) -> ServedCall:
    query = scope["query_string"]
    return ServedCall(
        method=scope["method"],
        resource=parts[0],
        key=parts[1] if len(parts) > 1 else None,
        params=_params(scope),
        status=0 if reply is None or broken else reply.status,
        rows=reply.rows if reply else 0,
        target=(scope["raw_path"] + (b"?" + query if query else b"")).decode("latin-1"),
        note=reply.note if reply else "",
        ms=1000 * seconds,
    )


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
    """Read the request to its end, and return its body; None where that is too large."""
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
    """Send an answer, or only this share of its body."""
    headers = [
        (b"content-type", reply.content_type.encode()),
        (b"content-length", str(len(reply.body)).encode()),
        *((name.lower().encode(), value.encode()) for name, value in reply.headers.items()),
    ]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    cut = share < 1
    body = reply.body[: int(share * len(reply.body))] if cut else reply.body
    await send({"type": "http.response.body", "body": body, "more_body": cut})
