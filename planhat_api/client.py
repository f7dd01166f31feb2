"""One HTTP client for both connectors: host, token, retries, call budget, errors.

Knows how to ask Planhat and how to tell a good answer from a bad one. What rows mean, in which
order pages are read and what becomes of an upsert's items is not its business.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import backoff
import orjson
import requests
from requests.adapters import HTTPAdapter

from planhat_api import errors
from planhat_api.budget import CallBudget

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from planhat_api.resources import Resource

CONNECT_TIMEOUT = 10.0
"""Seconds to wait for a connection; the answer itself may take `request_timeout`."""
LONGEST_WAIT = 60.0
"""Seconds: the ceiling of the growing wait between retries."""
BULK_STATUSES = frozenset({200, 206, 400, 403})
"""What a bulk upsert answers with lists of what became of its items."""
_SHOWN = 300
"""Characters of a server's own words that an error repeats."""

logger = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True)
class ClientSettings:
    """The settings both connectors share, under the names users give them."""

    api_token: str
    region: str | None = None
    api_url: str | None = None
    user_agent: str | None = None
    requests_per_minute: int = 200
    request_timeout: int = 120
    retry_timeout: int = 300

    @property
    def base_url(self) -> str:
        """Root of the API: `api_url`, or the host of the region.

        Raises:
            SettingsError: A region that cannot be part of a host name, or a URL without scheme.
        """
        if self.api_url:
            if not re.match(r"https?://[^/]", self.api_url):
                raise errors.SettingsError("api_url must begin with https:// (or http://)")
            return self.api_url.rstrip("/")
        if self.region and not re.fullmatch(r"[A-Za-z0-9]+", self.region):
            raise errors.SettingsError(
                "region must be the short name in your API host, e.g. eu2 of api-eu2.planhat.com"
            )
        return f"https://api{f'-{self.region.lower()}' if self.region else ''}.planhat.com"


@dataclass(frozen=True)
class Answer:
    """An answer that was understood: its status, and its body if that was JSON."""

    status: int
    body: Any
    text: str = ""
    """The body's beginning, when it was no JSON."""


class _Bearer(requests.auth.AuthBase):
    """Sets the token; as an `auth` it also keeps a .netrc from setting something else."""

    def __init__(self, token: str) -> None:
        self._header = f"Bearer {token}"

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._header
        return request


class PlanhatClient:
    """Calls Planhat, from any number of threads."""

    def __init__(
        self, settings: ClientSettings, *, connections: int = 4, budget: CallBudget | None = None
    ) -> None:
        """Open nothing yet: the first call connects.

        Args:
            settings: Host, token and limits.
            connections: Calls that may be under way at once; connections kept for reuse.
            budget: Calls a minute; by default what the settings say.

        Raises:
            SettingsError: The token, region or URL cannot be used.
        """
        token = settings.api_token.strip()
        if not token or not token.isascii() or not token.isprintable() or " " in token:
            raise errors.SettingsError(
                "api_token is empty or holds blanks or characters no token has; copy it again "
                "from Planhat"
            )
        self._settings = settings
        self._token = token
        self._base_url = settings.base_url
        self._budget = budget or CallBudget(settings.requests_per_minute)
        self._session = requests.Session()
        # Cookies are the one part of a session that threads would share and change.
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._session.auth = _Bearer(token)
        self._session.headers["User-Agent"] = settings.user_agent or "singer-planhat"
        adapter = HTTPAdapter(pool_connections=1, pool_maxsize=connections)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def list_rows(
        self,
        resource: Resource,
        params: Mapping[str, str | int],
        *,
        retry_timeout: float | None = None,
    ) -> list[dict[str, Any]]:
        """Return one page of a list (`Planhat: Get … List`).

        Args:
            resource: What to list.
            params: The query: limit, offset, sort, select and filters.
            retry_timeout: Seconds of retries before giving up, when not those of the settings.

        Raises:
            PlanhatError: No list of objects could be had.
        """

        def read(response: requests.Response, call: str) -> list[dict[str, Any]]:
            self._raise_for(response, call, frozenset({200}))
            rows = self._json(response, call)
            if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
                raise errors.NotJsonError(call, "the answer is not a list of objects")
            return rows

        return self._call(
            "GET", resource.path, read=read, params=params, retry_timeout=retry_timeout
        )

    def get(self, resource: Resource, key: str) -> dict[str, Any] | None:
        """Return a record by `_id`, or by `srcid-…` or `extid-…`; None where there is none.

        Raises:
            PlanhatError: The record could be neither had nor found missing.
        """

        def read(response: requests.Response, call: str) -> dict[str, Any] | None:
            if response.status_code == 404:  # noqa: PLR2004
                return None
            self._raise_for(response, call, frozenset({200}))
            body = self._json(response, call)
            if body is not None and not isinstance(body, dict):
                raise errors.NotJsonError(call, "the answer is not an object")
            return body

        return self._call("GET", resource.path, key=key, read=read)

    def bulk_upsert(
        self,
        resource: Resource,
        body: bytes,
        *,
        repeatable: bool,
        retry_timeout: float | None = None,
    ) -> Answer:
        """Send a JSON array of items (`Planhat: Bulk Upsert`) and return the answer unjudged.

        Args:
            resource: Where to.
            body: The array, encoded.
            repeatable: Every item has a keyable, so that sending again after an outcome nobody
                knows makes no duplicate. If not, such an outcome is raised at once.
            retry_timeout: Seconds of retries before giving up, when not those of the settings.

        Raises:
            TooLargeError: 413; send less.
            RetriableError: Still failing after the retries, or not to be repeated.
            PlanhatError: Anything else than 200, 206, 400 and 403.
        """

        def read(response: requests.Response, call: str) -> Answer:
            self._raise_for(response, call, BULK_STATUSES)
            try:
                return Answer(response.status_code, orjson.loads(response.content))
            except orjson.JSONDecodeError:
                if response.status_code == 200:  # noqa: PLR2004
                    raise errors.NotJsonError(call, self._words(response)) from None
                return Answer(response.status_code, None, self._words(response))

        return self._call(
            "PUT",
            resource.path,
            read=read,
            data=body,
            repeatable=repeatable,
            retry_timeout=retry_timeout,
        )

    def delete(self, resource: Resource, record_id: str) -> bool:
        """Delete a record by `_id`; False where it was gone already.

        Raises:
            PlanhatError: It is not known to be gone.
        """

        def read(response: requests.Response, call: str) -> bool:
            if response.status_code == 404:  # noqa: PLR2004
                return False
            self._raise_for(response, call, frozenset({200, 204}))
            body = self._json(response, call) if response.content else None
            return not (isinstance(body, dict) and body.get("deletedCount") == 0)

        return self._call("DELETE", resource.path, key=record_id, read=read)

    def _call(
        self,
        method: str,
        path: str,
        *,
        read: Callable[[requests.Response, str], T],
        key: str | None = None,
        params: Mapping[str, str | int] | None = None,
        data: bytes | None = None,
        repeatable: bool = True,
        retry_timeout: float | None = None,
    ) -> T:
        """Send until `read` accepts an answer or the time for retries is over."""
        if key is not None:
            if not key.strip():
                # It would fall through to the list's route.
                raise errors.PayloadError(f"{method} {path}/", "an empty id names no record")
            path = f"{path}/{quote(key, safe='')}"
        call = f"{method} {path}"
        limit = self._settings.retry_timeout if retry_timeout is None else retry_timeout

        def attempt() -> T:
            self._budget.spend()
            try:
                return read(self._send(method, path, call, params, data), call)
            except errors.RetriableError as error:
                if error.retry_after is not None:
                    self._budget.pause(min(error.retry_after, limit))
                raise

        def hopeless(error: Exception) -> bool:
            # A 429 was not carried out; after anything else nobody knows.
            return not repeatable and not isinstance(error, errors.RateLimitedError)

        retrying = backoff.on_exception(
            _waits,
            errors.RetriableError,
            max_time=limit,
            jitter=None,
            giveup=hopeless,
            on_backoff=_log_retry,
            logger=None,
        )
        return retrying(attempt)()

    def _send(
        self,
        method: str,
        path: str,
        call: str,
        params: Mapping[str, str | int] | None,
        data: bytes | None,
    ) -> requests.Response:
        """Send once; learn the call budget from the answer's headers."""
        try:
            response = self._session.request(
                method,
                self._base_url + path,
                params=params,
                data=data,
                headers={"Content-Type": "application/json"} if data is not None else None,
                timeout=(CONNECT_TIMEOUT, self._settings.request_timeout),
                # Following one would send the token to a host nobody configured.
                allow_redirects=False,
            )
        except requests.ConnectTimeout as error:
            raise errors.UnreachableError(call, "no connection within 10 s") from error
        except requests.Timeout as error:
            seconds = self._settings.request_timeout
            raise errors.TimedOutError(call, f"no answer within {seconds} s") from error
        except requests.RequestException as error:
            reason = self._clean(str(error.__cause__ or error))
            raise errors.UnreachableError(call, f"connection failed ({reason})") from error
        self._budget.learn(
            _whole(response.headers.get("X-Rate-Limit-Limit")),
            _whole(response.headers.get("X-Rate-Limit-Remaining")),
        )
        return response

    def _raise_for(self, response: requests.Response, call: str, accepted: frozenset[int]) -> None:
        if response.status_code in accepted:
            return
        if response.is_redirect:
            detail = "Planhat's API does not redirect; check region or api_url"
        else:
            detail = self._words(response)
        error = errors.for_status(response.status_code)(call, f"{response.status_code} {detail}")
        if isinstance(error, errors.RetriableError):
            error.retry_after = seconds_until(response.headers.get("Retry-After"))
        raise error

    def _json(self, response: requests.Response, call: str) -> Any:
        try:
            return orjson.loads(response.content)
        except orjson.JSONDecodeError:
            raise errors.NotJsonError(call, self._words(response)) from None

    def _words(self, response: requests.Response) -> str:
        """Return what a server says of its answer, short and without markup or token."""
        text = response.content[:4000].decode("utf-8", "replace")
        if "html" in response.headers.get("Content-Type", "") or text.lstrip().startswith("<"):
            return f"{response.reason or ''} (an HTML page)".strip()
        return self._clean(text) or (response.reason or "an empty answer")

    def _clean(self, text: str) -> str:
        """Take the token out of a text, and everything past its first characters."""
        return " ".join(text.replace(self._token, "***").split())[:_SHOWN]


def seconds_until(header: str | None) -> float | None:
    """Return the seconds a Retry-After asks to wait: it may hold seconds or an HTTP date."""
    if not header:
        return None
    if re.fullmatch(r"\d+(\.\d+)?", header.strip()):
        return float(header)
    try:
        moment = parsedate_to_datetime(header)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return max(0.0, (moment - datetime.now(timezone.utc)).total_seconds())


def _whole(header: str | None) -> int | None:
    return int(header) if header and header.isascii() and header.isdigit() else None


def _waits() -> Generator[float, errors.RetriableError, None]:
    """Yield the waits between retries: what the server asks for, else growing, with full jitter."""
    error = yield 0.0
    ceiling = 1.0
    while True:
        asked = error.retry_after
        error = yield backoff.full_jitter(ceiling) if asked is None else asked
        ceiling = min(2 * ceiling, LONGEST_WAIT)


def _log_retry(details: Any) -> None:
    logger.warning("%s; again in %.1f s", details["exception"], details["wait"])
