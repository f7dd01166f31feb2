"""The HTTP connections of a client: requests' and urllib3's classes, held to this API's needs."""

from __future__ import annotations

from http.cookiejar import DefaultCookiePolicy
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies, select_proxy
from typing_extensions import override
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import NewConnectionError

from planhat_api.calls.deadlines import current_call

if TYPE_CHECKING:
    import socket

    from planhat_api.settings import ClientSettings

_SEND_SIZE = 1 << 18
"""Bytes sent at a time, each within CONNECT_TIMEOUT. After each piece a thread waits for its turn
to run: with urllib3's 16 KB, a request would wait hundreds of times."""


class Session(requests.Session):
    """Sends the token to one host and nowhere else, from any number of threads."""

    def __init__(self, settings: ClientSettings, connections: int) -> None:
        """Open nothing yet.

        Args:
            settings: Host, token and user agent.
            connections: Connections kept for reuse.
        """
        super().__init__()
        # Cookies are the one part of a session that threads would share and change.
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self.auth = _Bearer(settings.token)
        self.headers["User-Agent"] = settings.agent
        self.headers["Accept"] = "application/json"
        self._adapter = _Adapter(pool_connections=1, pool_maxsize=connections)
        self.mount("https://", self._adapter)
        self.mount("http://", self._adapter)
        self._url = settings.base_url
        self.host = urlsplit(self._url).hostname or ""

    def proxy(self) -> str:
        """Return host and port of the proxy to the API, or "" where none is used."""
        proxies = get_environ_proxies(self._url, no_proxy=self._unproxied())
        # Not taken apart as a URL, which it may not be: a password must not be shown.
        return (select_proxy(self._url, proxies) or "").rpartition("@")[2].rpartition("//")[2]

    @override
    def merge_environment_settings(
        self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any
    ) -> Any:
        if (host := self._unproxied()) is not None:
            proxies = {**(proxies or {}), "no_proxy": host}
        return super().merge_environment_settings(url, proxies, stream, verify, cert)

    @override
    def get_redirect_target(self, resp: requests.Response) -> str | None:
        # Following a redirect would send the token to a host nobody configured. Even if told not
        # to follow it, requests parses it, and may fail on it.
        return None

    @override
    def close(self) -> None:
        # The session only lets go of them: they stay open until Python finds them, if a failed
        # request's traceback still holds them.
        for manager in (self._adapter.poolmanager, *self._adapter.proxy_manager.values()):
            for key in manager.pools.keys():  # noqa: SIM118 # it is not a plain mapping
                manager.pools[key].close()
        super().close()

    def _unproxied(self) -> str | None:
        """Return the host if it is this machine, which needs no proxy."""
        return self.host if is_loopback(self.host) else None


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


class _Bearer(requests.auth.AuthBase):
    """Sets the token; as an `auth` it also keeps a .netrc from setting something else."""

    def __init__(self, token: str) -> None:
        self._header = f"Bearer {token}"

    @override
    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._header
        return request


class _Connection(HTTPConnection):
    """A connection that registers itself with the current call, which can end it."""

    @override
    def _new_conn(self) -> socket.socket:
        call = current_call()
        if call is None:
            return super()._new_conn()
        try:
            made = call.connected(super()._new_conn)
        except TimeoutError as error:
            raise NewConnectionError(self, str(error)) from None
        call.use(made.fileno())
        return made

    @override
    def _tunnel(self) -> None:
        super()._tunnel()
        call = current_call()
        if call is not None and call.ended:
            # A closed connection looks like the end of a proxy's headers.
            raise TimeoutError("no whole answer in time")

    @override
    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is not None and (call := current_call()) is not None:
            call.use(self.sock.fileno())
        super().request(*args, **kwargs)


class _TLSConnection(_Connection, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


class _Adapter(HTTPAdapter):
    @override
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs, blocksize=_SEND_SIZE)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    @override
    def proxy_manager_for(self, proxy: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **kwargs)
        if not proxy.lower().startswith("socks"):
            manager.pool_classes_by_scheme = _POOLS
        return manager


_POOLS = {"http": _Pool, "https": _TLSPool}
