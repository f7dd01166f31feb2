"""The errors that end a run or a call. Each says what happened, where, and what to do about it.

No message holds the token.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping


class ExitCode(IntEnum):
    """How a command ends; 0: all went well."""

    FAILED = 1
    """Settings, authentication, input, data or the API; the message names which."""
    REJECTS = 3
    """Finished, but more records were rejected than max_rejects allows."""
    SIGNALLED = 128
    """Ended by a signal, whose number is added: not everything was done."""


class ConnectorError(Exception):
    """Base of every error whose text tells a user in one line what to do."""


class PlanhatError(ConnectorError):
    """Base of every error of a call to Planhat."""

    hint: ClassVar[str] = ""
    """What to do about it."""

    def __init__(self, call: str, detail: str = "") -> None:
        """Say what happened.

        Args:
            call: Method and path, without host and query, e.g. `GET /tasks`.
            detail: What the server or the network said.
        """
        super().__init__(call, detail)
        self.call = call
        self.detail = detail
        self.status = 0
        """The HTTP status of the answer; 0: there was no answer."""
        self.note = ""
        """What was tried, e.g. how often the call was repeated."""

    @property
    def what(self) -> str:
        """What happened and where, without what to do about it."""
        text = f"{self.call}: {self.detail}" if self.detail else self.call
        text = text.rstrip(". ")
        return f"{text} ({self.note})" if self.note else text

    @property
    def remedy(self) -> str:
        """What to do about it; empty where nothing general can be said."""
        return self.hint

    def __str__(self) -> str:
        """Return the whole message."""
        return f"{self.what}. {self.remedy}" if self.remedy else self.what


class StoppedError(PlanhatError):
    """The call was not made, because the run is to end."""


class SettingsError(PlanhatError):
    """A setting cannot be used."""


class AuthenticationError(PlanhatError):
    """401: the token is unknown here."""

    hint = (
        "Check api_token, and region: Planhat answers 401 as well to a good token "
        "that is sent to another region's host"
    )


class PermissionDeniedError(PlanhatError):
    """403: the token may not do this to this resource."""

    _VERBS: ClassVar[Mapping[str, str]] = {"GET": "read", "PUT": "write", "DELETE": "delete"}

    @property
    def remedy(self) -> str:
        """Which permission is missing for which resource, and who can give it."""
        method, _, path = self.call.partition(" /")
        may_not = f"{self._VERBS.get(method, 'use')} {path.partition('/')[0] or 'this'}"
        return (
            f"The token may not {may_not}: give its service account that permission in Planhat, "
            "or leave the stream out"
        )


class NotFoundError(PlanhatError):
    """404: there is no such path or record."""

    hint = "Check api_url: the host it names does not know this path"


class PayloadError(PlanhatError):
    """400 or another 4xx: Planhat does not accept the request."""

    hint = "Sent again it would fail again: fix what the answer names"


class KeyInvalidError(PayloadError):
    """A key that would name something else in a path, such as an empty one; nothing was sent."""

    hint = "Fix the key in the record"


class TooLargeError(PlanhatError):
    """413: the body is over the server's limit."""

    hint = "Lower max_body_mb"


class UntrustedError(PlanhatError):
    """The host's certificate does not prove that it is the host that was asked for."""

    hint = (
        "Check api_url; where a proxy opens TLS connections, name the file with its certificate "
        "in the environment variable REQUESTS_CA_BUNDLE"
    )


class RetriableError(PlanhatError):
    """A failure that may not happen again."""

    retry_after: float | None = None
    """Seconds the server asked to wait."""
    too_much: bool = False
    """Whether a smaller request may succeed."""
    not_done: ClassVar[bool] = False
    """Whether the request was certainly not carried out, so that it can be sent again."""


class RateLimitedError(RetriableError):
    """429: too many calls."""

    hint = "Lower requests_per_minute: other clients share the tenant's limit"
    not_done = True


class ServerFaultError(RetriableError):
    """5xx: the server failed."""

    hint = "The fault is on Planhat's side: run again later, nothing has been skipped"
    too_much = True


class TimedOutError(RetriableError):
    """No whole answer within request_timeout."""

    hint = "Raise request_timeout, or lower page_size or batch_size_rows"
    too_much = True


class UnreachableError(RetriableError):
    """No connection could be made: the request was never sent."""

    hint = "Check region or api_url, and the network"
    not_done = True


class ProxyUnreachableError(UnreachableError):
    """The proxy made no connection: the request was never sent."""

    hint = (
        "Check the proxy that HTTPS_PROXY or HTTP_PROXY names; NO_PROXY lists the hosts to reach "
        "without it"
    )


class ResponseTooLargeError(RetriableError):
    """The response is larger than one to this call can be."""

    hint = "Lower page_size; if it is small already, check region or api_url"
    too_much = True


class ConnectionLostError(RetriableError):
    """The connection broke after the request had begun to be sent."""

    hint = "Check the network, and any proxy on the way; nothing has been skipped"
    too_much = True


class NotJsonError(RetriableError):
    """A good status with a body that is not the JSON it should be."""

    hint = "Something between here and Planhat may answer in its place; check region or api_url"


BY_STATUS: Mapping[int, type[PlanhatError]] = {
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    408: TimedOutError,
    413: TooLargeError,
    429: RateLimitedError,
}


def for_status(status: int) -> type[PlanhatError]:
    """Return the error that a status means; redirects and other 4xx are payload errors."""
    if status >= 500:  # noqa: PLR2004
        return ServerFaultError
    if 200 <= status < 300:  # noqa: PLR2004
        # A success that this call does not have: something other than Planhat may have answered.
        return NotJsonError
    return BY_STATUS.get(status, PayloadError)


def release(error: BaseException | None) -> None:
    """Remove the tracebacks of an error and of its causes.

    Errors and frames refer to each other, and frames to all that was sent and read so far:
    megabytes that would stay in memory until garbage collection, which the connectors make rare.
    """
    while error is not None:
        error.__traceback__ = None
        error = error.__context__
