"""Reads responses: rows, a record, the outcome of a write, or the error that a status means.

What became of each item of a bulk upsert is read in `target_planhat.upsert.response`.
"""

from __future__ import annotations

import json
import logging
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Final

import orjson

from planhat_api import errors
from planhat_api.dates import http_moment
from planhat_api.redact import shorten, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from planhat_api.calls.transport import Response
    from planhat_api.paging import Row
    from planhat_api.redact import Redactor

    Decode = Callable[[bytes], "Sequence[Row] | None"]

_NOT_FOUND: Final = 404
_ANY_SUCCESS: Final = frozenset(range(200, 300))
BULK_STATUSES: Final = _ANY_SUCCESS | {400, 403}
"""What a bulk upsert answers with lists of what became of its items."""
_PARTLY_DONE: Final = 206
_LOOKED_AT: Final = 4000
"""Bytes of an answer in which a message is looked for."""
LONGEST_RETRY_AFTER: Final = 86_400.0
"""Seconds: a server that asks for more than a day does not mean it."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class UpsertResponse:
    """What a bulk upsert was answered with: its status, and its body if that was JSON."""

    status: int
    body: Any
    text: str = ""
    """The body's beginning, when it was no JSON."""
    hide: Callable[[str], str] = shorten
    """Makes words of the body safe to show: they may contain the token."""


@dataclass(frozen=True)
class UndecodedPage:
    """A page that is not decoded yet: decoded, it takes several times the memory."""

    response: Response
    call: str
    reader: ResponseReader

    @property
    def size(self) -> int:
        """Bytes of its JSON."""
        return len(self.response.body)

    def rows(self, decode: Decode | None = None) -> Sequence[Row]:
        """Return the rows.

        Args:
            decode: Decodes rows as far as they are needed; None, or what it returns None for: all
                of them are dicts.

        Raises:
            NotJsonError: Inside its brackets it is not a list of objects.
        """
        rows = decode(self.response.body) if decode is not None else None
        return self.reader.rows(self.response, self.call) if rows is None else rows


class ResponseReader:
    """Reads responses; each method takes a response and its call, which errors name."""

    def __init__(self, hide: Redactor) -> None:
        """Take what removes the token from a server's words."""
        self._hide = hide

    def rows(self, response: Response, call: str) -> list[dict[str, Any]]:
        """Return the rows of a list.

        Raises:
            PlanhatError: The response is not a list of rows.
        """
        self._accept(response, call, frozenset({200}))
        rows = self._json(response, call)
        if not isinstance(rows, list) or not set(map(type, rows)) <= {dict}:
            raise errors.NotJsonError(call, self._not("a list of objects", response))
        return rows

    def page(self, response: Response, call: str) -> UndecodedPage:
        """Return a page undecoded, if it begins and ends as a list does.

        Raises:
            PlanhatError: It does not.
        """
        self._accept(response, call, frozenset({200}))
        if not (response.body.startswith(b"[") and response.body.endswith(b"]")):
            self.rows(response, call)
        return UndecodedPage(response, call, self)

    def record(self, response: Response, call: str) -> dict[str, Any] | None:
        """Return a record, or None if there is no such record, which only a 404 says.

        Raises:
            PlanhatError: The answer says neither.
        """
        if response.status == _NOT_FOUND:
            return None
        self._accept(response, call, frozenset({200}))
        body = self._json(response, call)
        if body is not None and not isinstance(body, dict):
            raise errors.NotJsonError(call, self._not("an object", response))
        return body or {}

    def upserted(self, response: Response, call: str) -> UpsertResponse:
        """Return the response to a bulk upsert, without judging it.

        Raises:
            PlanhatError: It says nothing about the items.
        """
        self._accept(response, call, BULK_STATUSES)
        with suppress(orjson.JSONDecodeError):
            return UpsertResponse(response.status, _parse(response.body), hide=self._hide)
        if response.status in _ANY_SUCCESS - {_PARTLY_DONE}:
            raise self._no_json(response, call)
        return UpsertResponse(response.status, None, self._words(response))

    def deleted(self, response: Response, call: str) -> bool:
        """Return whether a record was deleted; False where it was gone already.

        Raises:
            PlanhatError: The answer says neither.
        """
        if response.status == _NOT_FOUND:
            return False
        self._accept(response, call, _ANY_SUCCESS)
        body = self._json(response, call) if response.body.strip() else None
        return not (isinstance(body, dict) and body.get("deletedCount") == 0)

    def _accept(self, response: Response, call: str, accepted: frozenset[int]) -> None:
        """Raise the error that a status means, unless it is one of those accepted."""
        if response.status in accepted:
            return
        detail = self._words(response)
        if 300 <= response.status < 400:  # noqa: PLR2004
            detail = "a redirect, which Planhat's API never sends; check region or api_url"
        error = errors.for_status(response.status)(call, f"{response.status} {detail}")
        error.status = response.status
        if isinstance(error, errors.RetriableError):
            asked = response.headers.get("Retry-After")
            error.retry_after = seconds_until(asked, response.headers.get("Date"))
            if asked is not None and error.retry_after is None:
                logger.warning("Retry-After is ignored: it says %s", shown(asked))
        raise error

    def _json(self, response: Response, call: str) -> Any:
        with suppress(orjson.JSONDecodeError):
            return _parse(response.body)
        # Outside of the except block: a JSONDecodeError holds the whole text.
        raise self._no_json(response, call)

    def _not(self, expected: str, response: Response) -> str:
        # Other JSON than a message is not shown: it may be people's mails and addresses.
        message = self._hide(_message(response.body))
        return f"the answer is not {expected}{': ' if message else ''}{message}"

    def _no_json(self, response: Response, call: str) -> errors.NotJsonError:
        if response.body.lstrip()[:1] not in {b"[", b"{"}:
            return errors.NotJsonError(
                call, f"{response.status}, but not JSON: {self._words(response)}"
            )
        size = len(response.body)
        error = errors.NotJsonError(call, f"the JSON of the answer ({size} bytes) is broken off")
        # Whatever cuts long answers may let shorter ones pass.
        error.too_much = True
        return error

    def _words(self, response: Response) -> str:
        """Return what a server says in a response, short and without markup or token."""
        reason = self._hide(response.reason)
        text = response.body[:_LOOKED_AT].decode("utf-8", "replace").lstrip("\ufeff \t\r\n")
        if text.startswith("<") or "html" in response.headers.get("Content-Type", "").lower():
            return f"{reason} (an HTML page, so hardly from Planhat's API itself)".lstrip()
        return self._hide(_message(response.body) or text) or reason or "an empty answer"


def _parse(body: bytes) -> Any:
    """Decode JSON, also with a byte order mark or with lone surrogates.

    Raises:
        JSONDecodeError: It is not JSON.
    """
    body = body.removeprefix(b"\xef\xbb\xbf")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        # Half of an emoji, where a text was cut: JavaScript writes it, orjson refuses it.
        if b"\\ud" not in body.lower():
            raise
    value = orjson.loads(_whole_characters(body))
    logger.warning("An answer holds half characters; each was replaced by U+FFFD")
    return value


def _whole_characters(body: bytes) -> bytes:
    """Return JSON with U+FFFD for each lone surrogate; nothing for what is not JSON."""
    try:
        text = json.dumps(json.loads(body), ensure_ascii=False)
    except (ValueError, RecursionError):
        return b""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def _message(body: bytes) -> str:
    """Return the sentence in an error's JSON, where it is in a usual place."""
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        return ""
    if isinstance(found, dict):
        found = found.get("message") or found.get("error")
    return found if isinstance(found, str) else ""


def seconds_until(header: str | None, date: str | None = None) -> float | None:
    """Return the seconds a Retry-After asks to wait: it holds seconds or an HTTP date.

    Args:
        header: The Retry-After.
        date: The answer's Date: by the server's clock, not ours, is its Retry-After to be read.

    Returns:
        From 0 to a day; None for what is neither, or asks for more.
    """
    text = (header or "").strip()
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
        seconds = float(text)
    elif (moment := http_moment(text)) is not None:
        now = http_moment(date) or datetime.now(timezone.utc)
        seconds = max(0.0, (moment - now).total_seconds())
    else:
        return None
    return seconds if seconds <= LONGEST_RETRY_AFTER else None
