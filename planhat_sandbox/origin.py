"""Recognizes requests that a page of another web site makes, which must not change anything.

A browser sends any site's requests to 127.0.0.1, with that site's `Origin` (cross-site request
forgery); and a site may have its own name resolved to 127.0.0.1, which then is its `Host` (DNS
rebinding).
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

_LOCAL_ENDS = (".localhost", ".internal")
"""Ends of names that no web site can have; `host.docker.internal` is one."""


def is_foreign(headers: Mapping[bytes, bytes], own_name: str = "") -> bool:
    """Return whether a request was made by a page of another site, or for another site's name.

    Args:
        headers: The request's headers, their names in lower case.
        own_name: A host name that is this sandbox's, beside those that can be nobody else's.
    """
    host = headers.get(b"host", b"").decode("latin-1").lower()
    origin = headers.get(b"origin")
    if origin is not None and urlsplit(origin.decode("latin-1").lower()).netloc != host:
        return True
    return not _is_own(urlsplit(f"//{host}").hostname or "", own_name)


def _is_own(name: str, own_name: str) -> bool:
    if not name:
        return False
    # A name without a dot is one of the local network, such as a container's.
    if "." not in name or name == own_name.lower() or name.endswith(_LOCAL_ENDS):
        return True
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
