"""Sends one request to Planhat and reads the whole response, within a time limit."""

from __future__ import annotations

import io
import ssl
import time
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from typing_extensions import override
from urllib3.exceptions import NewConnectionError, ProxyError, ReadTimeoutError

from planhat_api import errors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planhat_api.redact import Redactor
    from planhat_api.settings import ClientSettings

CONNECT_TIMEOUT = 10.0
"""Seconds to wait for a connection; the answer itself may take `request_timeout`."""
_READ_SIZE = 1 << 20
"""Bytes taken from a connection at once, at most."""
_SEND_SIZE = 1 << 18
"""Bytes given to a connection at once, which has CONNECT_TIMEOUT to take them. After each piece
a thread waits until others let it go on: with urllib3's 16 KB a request takes hundreds of waits."""
_WRONG_SETTINGS = (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema)
"""What is raised before anything was sent, and would be again."""


@dataclass(frozen=True)
class Response:
    """An HTTP response, of whatever status."""

    status: int
    reason: str
    headers: Mapping[str, str]
    """By name, in whatever case."""
    body: bytes
    """All of it, decompressed."""


class Transport:
    """Sends requests, from any number of threads."""

    def __init__(self, settings: ClientSettings, hide: Redactor, connections: int) -> None:
        """Open nothing yet: the first request connects.

        Args:
            settings: Host, token and time limit.
            hide: Takes the token out of texts.
            connections: Connections kept for reuse.
        """
        self._base_url = settings.base_url
        self._host = urlsplit(self._base_url).netloc
        self._timeout = settings.request_timeout
        self._hide = hide
        self._session = _Session()
        # Cookies are the one part of a session that threads would share and change.
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._session.auth = _Bearer(settings.token)
        self._session.headers["User-Agent"] = settings.agent
        self._session.headers["Accept"] = "application/json"
        self._adapter = _Adapter(pool_connections=1, pool_maxsize=connections)
        self._session.mount("https://", self._adapter)
        self._session.mount("http://", self._adapter)

    def close(self) -> None:
        """Close the connections."""
        # The session only lets go of them: they stay open until Python finds them, if a failed
        # request's traceback still holds them.
        for manager in (self._adapter.poolmanager, *self._adapter.proxy_manager.values()):
            for key in manager.pools.keys():  # noqa: SIM118 # it is no plain mapping
                manager.pools[key].close()
        self._session.close()

    def send(
        self,
        method: str,
        path: str,
        call: str,
        params: Mapping[str, str | int] | None = None,
        data: bytes | None = None,
    ) -> Response:
        """Send once and read the answer to its end.

        Args:
            method: Of HTTP.
            path: Below the API's root, encoded.
            call: How errors name the request.
            params: The query.
            data: A JSON body.

        Raises:
            RetriableError: There was no whole answer, for a reason that may pass.
            UntrustedError: The host's certificate was refused.
            SettingsError: The URL or a proxy's cannot be used.
        """
        deadline = time.monotonic() + self._timeout
        try:
            with self._session.request(
                method,
                self._base_url + path,
                params=params,
                # Bytes would have to be sent within the time limit for connecting; a file is
                # sent in pieces, each with that limit.
                data=io.BytesIO(data) if data is not None else None,
                headers={"Content-Type": "application/json"} if data is not None else None,
                timeout=(CONNECT_TIMEOUT, self._timeout),
                stream=True,
            ) as response:
                body = _body(response, deadline)
                return Response(response.status_code, response.reason or "", response.headers, body)
        except (OSError, urllib3.exceptions.HTTPError) as error:
            failure = self._failure(error, call)
            errors.release(error)
        # Out here, so that it does not carry what it was made from: that may repeat what the
        # server sent, and its traceback holds the page read so far.
        raise failure

    def _failure(self, error: Exception, call: str) -> errors.PlanhatError:
        """Return the error for what went wrong on the wire, by its innermost cause."""
        chain = _causes(error)
        reason = self._hide(_reason(chain[-1]))

        def caused_by(*kinds: type[BaseException]) -> bool:
            return any(isinstance(item, kinds) for item in chain)

        kind: type[errors.PlanhatError]
        if isinstance(error, requests.ConnectTimeout):
            kind = errors.UnreachableError
            detail = f"no connection to {self._host} within {CONNECT_TIMEOUT:g} s"
        elif isinstance(error, (requests.ReadTimeout, ReadTimeoutError)):
            kind, detail = errors.TimedOutError, f"no whole answer within {self._timeout} s"
        elif isinstance(error, _WRONG_SETTINGS):
            # Without the reason: a proxy's URL holds a password.
            kind, detail = errors.SettingsError, "api_url, or a proxy's URL, cannot be used"
        elif caused_by(ssl.SSLCertVerificationError):
            kind, detail = errors.UntrustedError, f"{self._host} is not to be trusted: {reason}"
        elif caused_by(NewConnectionError, ProxyError):
            kind, detail = errors.UnreachableError, f"no connection to {self._host}: {reason}"
        elif isinstance(error, (requests.RequestException, urllib3.exceptions.HTTPError)):
            kind, detail = errors.ConnectionLostError, f"the connection broke: {reason}"
        else:
            # What requests does not wrap: a file of certificates that is not there.
            kind, detail = errors.SettingsError, self._hide(str(error))
        return kind(call, detail)


def _body(response: requests.Response, deadline: float) -> bytes:
    """Read an answer to its end; requests limits each wait for a piece, but not their sum."""
    pieces: list[bytes] = []
    while piece := response.raw.read1(_READ_SIZE, decode_content=True):
        pieces.append(piece)
        if time.monotonic() > deadline:
            raise requests.ReadTimeout
    return b"".join(pieces)


class _Adapter(HTTPAdapter):
    @override
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs, blocksize=_SEND_SIZE)


class _Session(requests.Session):
    @override
    def get_redirect_target(self, resp: requests.Response) -> str | None:
        # Following one would send the token to a host nobody configured. Told not to follow it,
        # requests takes it apart all the same, and may choke on it.
        return None


class _Bearer(requests.auth.AuthBase):
    """Sets the token; as an `auth` it also keeps a .netrc from setting something else."""

    def __init__(self, token: str) -> None:
        self._header = f"Bearer {token}"

    @override
    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._header
        return request


def _causes(error: BaseException) -> list[BaseException]:
    """Return an error and what it wraps, outermost first; the libraries hold that in three ways."""
    chain: list[BaseException] = []
    inner: object = error
    while isinstance(inner, BaseException) and inner not in chain:
        chain.append(inner)
        held = (getattr(inner, "reason", None), *reversed(inner.args), inner.__cause__)
        inner = next((item for item in held if isinstance(item, BaseException)), None)
    return chain


def _reason(error: BaseException) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return text or type(error).__name__
