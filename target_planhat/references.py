"""Recognises people and companies named by address, name or domain in place of an id.

`email-jane@acme.com`, or the bare address, is a user or contact; `name-Acme AB` and
`domain-acme.com` are companies. Which ids they stand for is looked up in `tenant/lookups.py`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planhat_api.resources import Resource

_EMAIL = "email-"
_BY_COMPANY = ("name", "domain")
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")


def address(value: object) -> str | None:
    """Return the address by which a value names a person; None: it does not.

    >>> address("email-jane@acme.com")
    'jane@acme.com'
    """
    if not isinstance(value, str):
        return None
    bare = value.strip()
    bare = bare[len(_EMAIL) :].strip() if bare.lower().startswith(_EMAIL) else bare
    return bare if _ADDRESS.fullmatch(bare) else None


def person(value: object) -> str | None:
    """Return the address in a member of a list of people: a text, or an object without an id."""
    if isinstance(value, dict):
        known = value.get("id")
        return address(value.get("email") if known in {None, ""} else known)
    return address(value)


def company(value: object) -> tuple[str, str] | None:
    """Return by which property a value names a company, and its value; None: it does not.

    >>> company("name-Acme AB")
    ('name', 'Acme AB')
    """
    if not isinstance(value, str):
        return None
    by, _, name = value.partition("-")
    return (by, name) if by in _BY_COMPANY and name.strip() else None


def has_references(body: Mapping[str, Any], resource: Resource) -> bool:
    """Return whether an item names a person or a company by address, name or domain."""
    if company(body.get(resource.company_property)):
        return True
    for name in resource.referring:
        value = body.get(name)
        if any(map(person, value)) if isinstance(value, list) else address(value):
            return True
    return False
