"""Fault injection: rules for what goes wrong with the next answers, and errors by chance.

Chooses what goes wrong; `app.py` and `service.py` carry it out.
"""

from __future__ import annotations

import itertools
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from planhat_sandbox.tenant.directory import NAMES

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping


class BadFaultError(ValueError):
    """A fault that does not exist, or has an impossible value."""


@dataclass(frozen=True)
class Effects:
    """What goes wrong with one answer."""

    status: int | None = None
    """Answer with this status, without carrying the request out."""
    body: Any = None
    """The body that goes with `status`, as JSON."""
    text: str | None = None
    """The body that goes with `status`, as text; sent as HTML when it begins with `<`."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """More headers."""
    drop: str | None = None
    """Break the connection: `before` or `after` the request was carried out, or `within` the
    answer's body."""
    delay_ms: int = 0
    """Wait so long before the request is carried out."""
    short: int = 0
    """Rows missing at the end of a page."""
    cap: int | None = None
    """Most rows of a page, whatever was asked for."""
    ignore_sort: bool = False
    """Ignore `sort=`."""
    as_object: bool = False
    """Wrap a list in an object."""
    not_json: bool = False
    """Answer with the right status and a body that is not JSON."""
    deny: bool = False
    """No permission for the resource."""
    deny_companies: tuple[str, ...] = ()
    """No permission to write to these companies."""
    last_offset: int | None = None
    """Behind this offset a list is empty, whatever it holds."""
    without: tuple[str, ...] = ()
    """Properties that rows of lists and single reads lack."""
    lose_items: int = 0
    """Number of items of a bulk upsert that are silently dropped."""

    def __post_init__(self) -> None:
        """Reject values that would do nothing.

        Raises:
            BadFaultError: A moment to break the connection that does not exist.
        """
        if self.drop not in {None, "before", "after", "within"}:
            raise BadFaultError("drop must be before, after or within")


_EFFECTS = frozenset(item.name for item in fields(Effects))
_SCOPE = frozenset({"method", "resource", "count", "skip"})

HTML = "<html><body><h1>502 Bad Gateway</h1></body></html>"
ACCIDENTS: tuple[Mapping[str, Any], ...] = (
    {"status": 500, "body": {"error": "Internal Server Error"}},
    {"status": 502, "text": HTML},
    {"drop": "before"},
    {"drop": "after"},
)
"""What an error by chance may be."""


@dataclass
class Rule:
    """A fault and the requests it is for."""

    effects: Mapping[str, Any]
    number: int
    """Tells it from other rules."""
    method: str | None = None
    resource: str | None = None
    count: int | None = 1
    """Requests it is still for; None: all."""
    skip: int = 0
    """Requests to let pass first."""

    def takes(self, method: str, resource: str) -> bool:
        """Return whether it applies to this request, and count the request."""
        if self.method not in {None, method} or self.resource not in {None, resource}:
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.count is not None:
            if not self.count:
                return False
            self.count -= 1
        return True


class Faults:
    """The rules in force."""

    def __init__(self) -> None:
        """Start with none."""
        self.rules: list[Rule] = []
        self._numbers = itertools.count(1)

    def add(self, wanted: Mapping[str, Any]) -> None:
        """Add a rule, as the control API takes it.

        Raises:
            BadFaultError: A name does not exist, or has an impossible value.
        """
        if unknown := set(wanted) - _EFFECTS - _SCOPE:
            raise BadFaultError(f"no such fault: {', '.join(sorted(unknown))}")
        effects = {name: value for name, value in wanted.items() if name in _EFFECTS}
        if not effects:
            raise BadFaultError(f"name one of {', '.join(sorted(_EFFECTS))}")
        if wanted.get("resource") not in {None, *NAMES}:
            raise BadFaultError(f"no such resource: {wanted['resource']}")
        Effects(**effects)
        self.rules.append(
            Rule(
                effects,
                next(self._numbers),
                **{name: wanted[name] for name in _SCOPE if name in wanted},
            )
        )

    def remove(self, number: int) -> None:
        """Remove a rule.

        Raises:
            LookupError: No rule in force has the number.
        """
        kept = [rule for rule in self.rules if rule.number != number]
        if kept == self.rules:
            raise LookupError(f"no such fault: {number}")
        self.rules = kept

    def take(
        self, method: str, resource: str, *, rng: random.Random, error_rate: float = 0
    ) -> Effects:
        """Return what goes wrong with a request: the effects of all rules that apply to it."""
        merged: dict[str, Any] = {}
        if error_rate and rng.random() < error_rate:
            merged.update(rng.choice(ACCIDENTS))
        for rule in self.rules:
            if rule.takes(method, resource):
                merged.update(rule.effects)
        self.rules = [rule for rule in self.rules if rule.count != 0]
        return Effects(**merged)

    def listed(self) -> list[dict[str, Any]]:
        """Return the rules in force."""
        return [asdict(rule) for rule in self.rules]
