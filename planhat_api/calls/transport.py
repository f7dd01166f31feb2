"""Sends one request to Planhat and reads the whole response, within a time limit."""

from __future__ import annotations

import io
import logging
import ssl
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import requests
import urllib3
from urllib3.exceptions import NewConnectionError, ProxyError, ReadTimeoutError

from planhat_api import errors
from planhat_api.calls.connections import Session, is_loopback
from planhat_api.calls.deadlines import Deadlines

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planhat_api.calls.deadlines import Call
    from planhat_api.redact import Redactor
    from planhat_api.settings import ClientSettings

CONNECT_TIMEOUT = 10.0
"""Seconds to wait for a connection; the whole call may take `request_timeout`."""
LARGEST_RESPONSE = 32_000_000
"""Bytes of a response, decompressed, where the caller does not say otherwise."""
_READ_SIZE = 1 << 20
"""Bytes taken from a connection at once, at most."""
_WRONG_SETTINGS = (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema)
"""Errors that are raised before anything is sent, and would be again."""

logger = logging.getLogger(__name__)


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
        url = urlsplit(self._base_url)
        self._host = url.netloc
        self._timeout = settings.request_timeout
        self._connect_timeout = min(CONNECT_TIMEOUT, self._timeout)
        self._hide = hide
        self._session = Session(settings, connections)
        self._deadlines = Deadlines(self._timeout)
        if url.scheme == "http" and not is_loopback(self._session.host):
            logger.warning(
                "api_url begins with http:// : the token and all data cross the network readable "
                "by others; use https:// unless you trust every part of the way to %s",
                self._host,
            )

    def close(self) -> None:
        """Close the connections."""
        self._deadlines.close()
        self._session.close()

    def end_within(self, seconds: float) -> None:
        """Give the requests under way no more than so many seconds from now."""
        self._deadlines.end_within(seconds)

    def send(
        self,
        method: str,
        path: str,
        call: str,
        params: Mapping[str, str | int] | None = None,
        data: bytes | None = None,
        *,
        largest: int = LARGEST_RESPONSE,
    ) -> Response:
        """Send once and read the response to its end.

        Args:
            method: Of HTTP.
            path: Below the API's root, encoded.
            call: How errors name the request.
            params: The query.
            data: A JSON body.
            largest: Bytes that the response may have, decompressed.

        Raises:
            RetriableError: There was no whole response, for a reason that may pass.
            UntrustedError: The host's certificate does not prove that it is the host.
            SettingsError: The URL or a proxy's cannot be used.
        """
        with self._deadlines.call() as under_way:
            try:
                with self._session.request(
                    method,
                    self._base_url + path,
                    params=params,
                    # Bytes would have to be sent within the time limit for connecting; a file is
                    # sent in pieces, each with that limit.
                    data=io.BytesIO(data) if data is not None else None,
                    headers={"Content-Type": "application/json"} if data is not None else None,
                    timeout=(self._connect_timeout, self._timeout),
                    stream=True,
                ) as raw:
                    return _response(raw, under_way, call, largest)
            except Exception as error:
                expected = isinstance(error, (OSError, urllib3.exceptions.HTTPError))
                # A call whose connection is ended in the middle may fail in any way.
                if not expected and not under_way.ended:
                    raise
                failure = self._failure(error, call, under_way)
                errors.release(error)
        # Raised here, without its cause, which may contain what the server sent, and whose
        # traceback holds the page read so far.
        raise failure

    def _failure(self, error: Exception, call: str, under_way: Call) -> errors.PlanhatError:
        """Return the error for what went wrong on the wire, by its innermost cause."""
        chain = _causes(error)

        def caused_by(*kinds: type[BaseException]) -> bool:
            return any(isinstance(item, kinds) for item in chain)

        reason = self._hide(_reason(chain[-1]))
        proxy = self._session.proxy()
        way = f"{self._host} through the proxy {proxy}" if proxy else self._host
        seconds = time.monotonic() - under_way.began
        late = under_way.ended or isinstance(error, (requests.ReadTimeout, ReadTimeoutError))
        lost = isinstance(error, (requests.RequestException, urllib3.exceptions.HTTPError))
        # The first that applies.
        cases: tuple[tuple[bool, type[errors.PlanhatError], str], ...] = (
            # Without the reason: a proxy's URL holds a password.
            (
                isinstance(error, _WRONG_SETTINGS),
                errors.SettingsError,
                "api_url, or a proxy's URL, cannot be used",
            ),
            (
                caused_by(ProxyError),
                errors.ProxyUnreachableError,
                f"no connection through the proxy {proxy}: {reason}",
            ),
            (
                isinstance(error, requests.ConnectTimeout),
                errors.UnreachableError,
                f"no connection to {way} within {self._connect_timeout:g} s",
            ),
            (
                caused_by(NewConnectionError),
                errors.UnreachableError,
                f"no connection to {way}: {reason}",
            ),
            (late, errors.TimedOutError, f"no whole answer within {seconds:.0f} s from {way}"),
            (
                caused_by(ssl.SSLCertVerificationError),
                errors.UntrustedError,
                f"{self._host} cannot be trusted: {reason}",
            ),
            (lost, errors.ConnectionLostError, f"the connection to {way} broke: {reason}"),
            # Not wrapped by requests: a file of certificates that is not there.
            (True, errors.SettingsError, self._hide(str(error))),
        )
        return next(kind(call, detail) for applies, kind, detail in cases if applies)


def _response(raw: requests.Response, under_way: Call, call: str, largest: int) -> Response:
    """Read a response to its end.

    Raises:
        ReadTimeout: The call was ended meanwhile.
        ResponseTooLargeError: There is more of it than it may have.
    """
    if raw.status_code < 200:  # noqa: PLR2004
        # Unread, it closes the connection: what follows would be taken for the response to the
        # next request.
        raise requests.ConnectionError(f"an answer of status {raw.status_code}, which is not final")
    pieces: list[bytes] = []
    left = largest
    while piece := raw.raw.read1(_READ_SIZE, decode_content=True):
        pieces.append(piece)
        left -= len(piece)
        if left < 0:
            raise errors.ResponseTooLargeError(call, f"more than {largest / 1e6:g} MB came back")
    if under_way.ended:
        raise requests.ReadTimeout
    return Response(raw.status_code, raw.reason or "", raw.headers, b"".join(pieces))


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
