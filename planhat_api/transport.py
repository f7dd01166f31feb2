"""One request to Planhat and its whole answer, or the error that says why there is none.

Knows connections, time limits and what may go wrong on the wire. What an answer means is not its
business, nor whether to ask again.
"""

from __future__ import annotations

import io
import ssl
import sys
import time
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.exceptions import LocationParseError, NewConnectionError, ProxyError, ReadTimeoutError

from planhat_api import errors

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planhat_api.redact import Redactor
    from planhat_api.settings import ClientSettings

CONNECT_TIMEOUT = 10.0
"""Seconds to wait for a connection; the answer itself may take `request_timeout`."""
_READ_SIZE = 1 << 20
"""Bytes taken from a connection at once, at most."""
_WRONG_SETTINGS = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidHeader,
    LocationParseError,
)
"""What is raised before anything was sent, and would be again."""


@dataclass(frozen=True)
class Reply:
    """What a server answered, whatever it means."""

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

        Raises:
            SettingsError: The token, the URL or the user agent cannot be used.
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
        adapter = HTTPAdapter(pool_connections=1, pool_maxsize=connections)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def send(
        self,
        method: str,
        path: str,
        call: str,
        params: Mapping[str, str | int] | None = None,
        data: bytes | None = None,
    ) -> Reply:
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
        # Errors are raised without their cause: its text may repeat what the server sent.
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
                # Following a redirect would send the token to a host nobody configured.
                allow_redirects=False,
                stream=True,
            ) as response:
                body = self._body(response, call, deadline)
                return Reply(response.status_code, response.reason or "", response.headers, body)
        except requests.ConnectTimeout:
            detail = f"no connection to {self._host} within {CONNECT_TIMEOUT:g} s"
            raise errors.UnreachableError(call, detail) from None
        except (requests.ReadTimeout, ReadTimeoutError):
            raise self._timed_out(call) from None
        except _WRONG_SETTINGS as error:
            # Not the error's text: a proxy's URL holds a password.
            kind = type(error).__name__
            raise errors.SettingsError(
                f"api_url, or a proxy named in the environment, cannot be used ({kind})"
            ) from None
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise self._failure(error, call) from None
        except OSError as error:
            # A file of certificates that is not there.
            raise errors.SettingsError(self._hide(str(error))) from None

    def _body(self, response: requests.Response, call: str, deadline: float) -> bytes:
        """Read an answer to its end; requests limits each wait for a piece, but not their sum."""
        pieces: list[bytes] = []
        while piece := response.raw.read1(_READ_SIZE, decode_content=True):
            pieces.append(piece)
            if time.monotonic() > deadline:
                raise self._timed_out(call)
        return b"".join(pieces)

    def _timed_out(self, call: str) -> errors.TimedOutError:
        return errors.TimedOutError(call, f"no whole answer within {self._timeout} s")

    def _failure(self, error: Exception, call: str) -> errors.PlanhatError:
        """Word what went wrong on the wire by what is at the bottom of it."""
        chain = _causes(error)
        reason = self._hide(_reason(chain[-1]))
        if any(isinstance(item, ssl.SSLCertVerificationError) for item in chain):
            detail = f"{self._host} is not to be trusted: {reason}"
            return errors.UntrustedError(call, detail)
        if any(isinstance(item, (NewConnectionError, ProxyError)) for item in chain):
            return errors.UnreachableError(call, f"no connection to {self._host}: {reason}")
        return errors.ConnectionLostError(call, f"the connection broke: {reason}")


class _Session(requests.Session):
    @override
    def get_redirect_target(self, resp: requests.Response) -> str | None:
        # requests takes a redirect apart even when told not to follow it, and may choke on it.
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
