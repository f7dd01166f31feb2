"""What can go wrong in a call to Planhat, worded once, for people.

Every message says what happened, where, and what to do about it; none holds the token.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping


class PlanhatError(Exception):
    """Base of every error of this package; its text is fit to be shown to a user."""

    hint: ClassVar[str] = ""

    def __init__(self, call: str, detail: str = "") -> None:
        """Word the error.

        Args:
            call: Method and path, without host and query, e.g. `GET /tasks`.
            detail: What the server or the network said.
        """
        text = f"{call}: {detail}" if detail else call
        super().__init__(f"{text}. {self.hint}" if self.hint else text)
        self.call = call


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

    hint = "Give the token's service account this permission in Planhat, or deselect the stream"


class NotFoundError(PlanhatError):
    """404: there is no such path or record."""


class PayloadError(PlanhatError):
    """400 or another 4xx: Planhat refuses the request as it stands."""


class TooLargeError(PlanhatError):
    """413: the body is over the server's limit."""

    hint = "Lower max_body_mb"


class RetriableError(PlanhatError):
    """An answer, or the lack of one, that may be different next time."""

    retry_after: float | None = None
    """Seconds the server asked to wait."""
    too_much: bool = False
    """A smaller request may succeed where this one did not."""


class RateLimitedError(RetriableError):
    """429: too many calls."""

    hint = "Lower requests_per_minute: other clients share the tenant's limit"


class ServerFaultError(RetriableError):
    """5xx: the server failed."""

    hint = "Planhat has a fault; run again later, nothing has been skipped"
    too_much = True


class TimedOutError(RetriableError):
    """No answer within request_timeout."""

    hint = "Raise request_timeout, or lower page_size or batch_size_rows"
    too_much = True


class UnreachableError(RetriableError):
    """No connection, or one that broke."""

    hint = "Check region or api_url, and the network"


class NotJsonError(RetriableError):
    """A good status with a body that is not the JSON it should be."""

    hint = "Something between here and Planhat may answer in its place; check region or api_url"


BY_STATUS: Mapping[int, type[PlanhatError]] = {
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    413: TooLargeError,
    429: RateLimitedError,
}


def for_status(status: int) -> type[PlanhatError]:
    """Return the error a status stands for; redirects and unknown 4xx are payload errors."""
    if status >= 500:  # noqa: PLR2004
        return ServerFaultError
    return BY_STATUS.get(status, PayloadError)
