"""The settings that both connectors share, checked before the first call."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from planhat_api import errors, logs
from planhat_api.redact import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

CONNECTION: Mapping[str, Mapping[str, Any]] = {
    "api_token": {
        "type": "string",
        "secret": True,
        "title": "API token",
        "description": (
            "Token of a service account that may use the resources you sync. Make one in Planhat "
            "under Settings > Service Accounts."
        ),
    },
    "region": {
        "type": ["string", "null"],
        "title": "Region",
        "description": (
            "Region of your tenant, e.g. `us4`: the short name in the address of your Planhat, "
            "`app-us4.planhat.com`, or that address. Leave it out for `app.planhat.com`."
        ),
    },
    "api_url": {
        "type": ["string", "null"],
        "title": "API URL",
        "description": "Root of the API, in place of the region's; for a sandbox or a proxy.",
    },
    "user_agent": {
        "type": ["string", "null"],
        "title": "User agent",
        "description": "What the connector calls itself in its requests.",
    },
    "requests_per_minute": {
        "type": ["integer", "null"],
        "minimum": 1,
        "default": 200,
        "title": "Requests per minute",
        "description": (
            "Rate limit: calls that may begin in any 60 seconds, retries counted. Planhat allows a "
            "tenant 200, which all its clients share."
        ),
    },
    "request_timeout": {
        "type": ["integer", "null"],
        "minimum": 1,
        "default": 120,
        "title": "Request timeout",
        "description": "Seconds one try of a call may take, to the end of its answer.",
    },
    "retry_timeout": {
        "type": ["integer", "null"],
        "minimum": 0,
        "default": 300,
        "title": "Retry timeout",
        "description": "Seconds in which a failing call is tried again before the run gives up.",
    },
}
"""JSON Schema of the settings both connectors share."""


def with_connection(own: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON Schema of a connector's settings: the shared ones and its own."""
    return {
        "type": "object",
        "properties": {**{name: dict(item) for name, item in CONNECTION.items()}, **own},
        "required": ["api_token"],
        "additionalProperties": False,
    }


HOW_TO_GET_ONE = "make one in Planhat under Settings > Service Accounts, where it is shown once"
"""What to do without a token."""
_REGION = re.compile(
    r"(?:https?://)?(?:app|api)(?:-(?P<host>[a-z0-9]+))?(?:\.planhat\.com(?:[/?#].*)?)?"
    r"|(?P<name>[a-z0-9]+)",
    re.ASCII | re.IGNORECASE,
)


def _default(name: str) -> Any:
    return CONNECTION[name]["default"]


@dataclass(frozen=True)
class ClientSettings:
    """The settings both connectors share, under the names users give them.

    Raises:
        SettingsError: A value with which no call could be made.
    """

    api_token: str = field(repr=False)
    region: str | None = None
    api_url: str | None = None
    user_agent: str | None = None
    requests_per_minute: int = _default("requests_per_minute")
    request_timeout: int = _default("request_timeout")
    retry_timeout: int = _default("retry_timeout")

    def __post_init__(self) -> None:
        """Check every value."""
        for name, item in CONNECTION.items():
            if "minimum" in item and getattr(self, name) < item["minimum"]:
                raise errors.SettingsError(f"{name} must be at least {item['minimum']}")
        _ = self.token, self.base_url, self.agent

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> ClientSettings:
        """Return the shared ones of a connector's settings, and keep the token out of the log."""
        given = {name: config[name] for name in CONNECTION if config.get(name) is not None}
        settings = cls(**{"api_token": "", **given})
        logs.hide(settings.token)
        return settings

    @property
    def token(self) -> str:
        """The token without the blanks and line ends it was copied with.

        Raises:
            SettingsError: It cannot be a token.
        """
        token = self.api_token.strip()
        if not token:
            raise errors.SettingsError(f"api_token is empty: {HOW_TO_GET_ONE}")
        if not _plain(token) or " " in token:
            raise errors.SettingsError(
                "api_token holds blanks or characters that no token has: copy it again from "
                "Planhat, and leave out the word Bearer"
            )
        return token

    @property
    def base_url(self) -> str:
        """Root of the API, without a slash at its end: `api_url`, or the host of the region.

        Raises:
            SettingsError: A region or a URL that cannot be used.
        """
        if self.api_url:
            _check_url(self.api_url)
            return self.api_url.rstrip("/")
        region = _short_region((self.region or "").strip())
        return f"https://api{'-' * bool(region)}{region}.planhat.com"

    @property
    def agent(self) -> str:
        """What the client calls itself.

        Raises:
            SettingsError: It cannot be sent in a header.
        """
        agent = self.user_agent or "singer-planhat"
        if not _plain(agent) or agent != agent.strip():
            raise errors.SettingsError("user_agent must be plain text in one line")
        return agent


def _plain(text: str) -> bool:
    return text.isascii() and text.isprintable()


def _short_region(region: str) -> str:
    """Return the short name of a region that may be given as a host or as a whole address."""
    match = _REGION.fullmatch(region)
    if region and not match:
        raise errors.SettingsError(
            f"region is {shown(region)}, but must be the short name in the address of your "
            "Planhat, e.g. us4 of app-us4.planhat.com, or that address"
        )
    return ((match and (match["host"] or match["name"])) or "").lower()


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise errors.SettingsError("api_url is not a URL such as https://api.planhat.com") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        raise errors.SettingsError("api_url must begin with https:// (or http://) and name a host")
    if re.fullmatch(r"app(-[a-z0-9]+)?\.planhat\.com", parts.hostname):
        raise errors.SettingsError(
            "api_url is the address of Planhat's website: leave it out and give it as region"
        )
    if not _plain(url) or " " in url:
        raise errors.SettingsError("api_url holds blanks or characters that no URL has")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise errors.SettingsError("api_url must hold no user name, password, ? or #")
