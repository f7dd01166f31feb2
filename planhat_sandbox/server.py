"""The sandbox on a port: in a thread of the caller's process, or in the foreground."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from planhat_sandbox.app import App
from planhat_sandbox.tenant.tenant import Tenant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from planhat_sandbox.control import Control
    from planhat_sandbox.options import SandboxOptions

HOST = "127.0.0.1"


class _Connections:
    """The open connections by client address, so that one can be broken."""

    def __init__(self) -> None:
        self._transports: dict[Any, asyncio.Transport] = {}
        connections = self

        class Protocol(HttpToolsProtocol):
            def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
                super().connection_made(transport)
                connections._transports[self.client] = transport

            def connection_lost(self, exc: Exception | None) -> None:
                connections._transports.pop(self.client, None)
                super().connection_lost(exc)

        self.protocol = Protocol

    def abort(self, client: Any) -> None:
        """Break a connection without another word."""
        transport = self._transports.get(tuple(client))
        if transport is not None:
            transport.abort()


class _Server(uvicorn.Server):
    """A server that says when it listens, and leaves signals to its caller."""

    def __init__(
        self,
        tenant: Tenant,
        ready: Callable[[], None],
        *,
        log: Callable[[str], None] | None = None,
        own_name: str = HOST,
    ) -> None:
        connections = _Connections()
        self.app = App(tenant, abort=connections.abort, log=log, own_name=own_name)
        self._ready = ready
        super().__init__(
            uvicorn.Config(
                self.app,
                http=connections.protocol,
                loop="asyncio",
                lifespan="off",
                ws="none",
                interface="asgi3",
                log_config=None,
                log_level="critical",
                access_log=False,
                server_header=False,
                timeout_keep_alive=75,
                timeout_graceful_shutdown=1,
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self._ready()


def _listen(host: str, port: int) -> socket.socket:
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    # asyncio switches Nagle off, 40 ms an answer, only where the protocol is named.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
    except OSError:
        listener.close()
        raise
    return listener


def _url(listener: socket.socket, host: str = HOST) -> str:
    """Return the address to reach a listener by; one on all interfaces is reached by this host."""
    shown = HOST if host in {"0.0.0.0", "::"} else f"[{host}]" if ":" in host else host  # noqa: S104
    return f"http://{shown}:{listener.getsockname()[1]}"


@dataclass(frozen=True)
class Sandbox:
    """A running sandbox."""

    url: str
    tenant: Tenant
    control: Control

    def __str__(self) -> str:
        """Return the address, as `api_url` takes it."""
        return self.url


@contextmanager
def running(what: Tenant | SandboxOptions | None = None, *, port: int = 0) -> Iterator[Sandbox]:
    """Run a sandbox in a thread, for as long as the block lasts.

    Args:
        what: The tenant to serve, or how an empty one is to behave.
        port: Where to listen on 127.0.0.1; 0: any free port.

    Yields:
        Its address (`url`), its `tenant` with the rows, and its `control`. Touch the latter two
        only while no request is under way.

    Raises:
        OSError: The port is taken.
        RuntimeError: The server ended before it could answer.
    """
    tenant = what if isinstance(what, Tenant) else Tenant(what)
    ready = threading.Event()
    listener = _listen(HOST, port)
    server = _Server(tenant, ready.set)

    def run() -> None:
        try:
            asyncio.run(server._serve([listener]))  # noqa: SLF001
        finally:
            # Or a server that could not start would be waited for without end.
            ready.set()

    thread = threading.Thread(target=run, name="planhat-sandbox", daemon=True)
    try:
        thread.start()
        ready.wait()
        if not server.started:
            raise RuntimeError("the sandbox could not start; its thread says why")
        yield Sandbox(_url(listener), tenant, server.app.control)
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def serve(
    tenant: Tenant,
    *,
    port: int,
    announce: Callable[[str], None],
    host: str = HOST,
    log: Callable[[str], None] | None = None,
) -> None:
    """Serve in the foreground until SIGINT or SIGTERM.

    Args:
        tenant: What to serve.
        port: Where to listen; 0: any free port.
        announce: Called with the address once requests are answered.
        host: Name or address of the interface to listen on.
        log: Takes a line for each request.

    Raises:
        OSError: The port is taken, or this computer has no such interface.
    """
    listener = _listen(host, port)
    ready = lambda: announce(_url(listener, host))  # noqa: E731
    server = _Server(tenant, ready, log=log, own_name=host)

    def stop(*_: object) -> None:
        server.should_exit = True

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        asyncio.run(server._serve([listener]))  # noqa: SLF001
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        listener.close()
