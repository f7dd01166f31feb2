"""Finds the items of a request by what its answer says of them. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from target_planhat.upsert.merge import MergedItem

_KEYS = ("_id", "sourceId", "externalId")
_LABEL = re.compile(r"^(?:_id|sourceId|externalId)[:=]")
# What an id may hold: a key is found in a text as a whole, never as a part of a longer one.
_WHOLE = r"(?<![\w.%@/+-]){}(?![\w%@/+-]|[.:]\w)"
_FEW = 500
"""Items up to which keys are looked for in a text one by one."""


class Index:
    """The items of a request by their keys; they are numbered as they were sent."""

    def __init__(self, items: Sequence[MergedItem]) -> None:
        """Index the items."""
        self.items = items
        self._by_key: dict[tuple[str, str], list[int]] = defaultdict(list)
        self._by_value: dict[str, set[int]] = defaultdict(set)
        for number, item in enumerate(items):
            body = item.body
            for name in _KEYS:
                value = body.get(name)
                if isinstance(value, str) and value:
                    self._by_key[name, value].append(number)
                    self._by_value[value].add(number)

    def by_keys(self, keys: Mapping[str, Any]) -> int | None:
        """Return the one item that has one of the keys, in the order Planhat tries them."""
        for name in _KEYS:
            value = keys.get(name)
            found = () if value is None else self._by_key.get((name, str(value)), ())
            if len(found) == 1:
                return found[0]
        return None

    def by_body(self, body: Mapping[str, Any]) -> int | None:
        """Return the one item that was sent with this body."""
        found = [number for number, item in enumerate(self.items) if item.body == body]
        return found[0] if len(found) == 1 else None

    def by_text(self, text: str) -> int | None:
        """Return the one item whose key occurs in a text as a whole word."""
        found: set[int] = set()
        for word in set(re.findall(r"[^\s\"'`,;()\[\]{}<>]+", text)):
            bare = word.rstrip(".:!?")
            for candidate in (word, bare, _LABEL.sub("", bare)):
                if candidate in self._by_value:
                    found |= self._by_value[candidate]
                    break
        if not found and len(self.items) <= _FEW:
            # Keys that hold blanks or punctuation.
            for value, numbers in self._by_value.items():
                if value in text and re.search(_WHOLE.format(re.escape(value)), text):
                    found |= numbers
        return found.pop() if len(found) == 1 else None
