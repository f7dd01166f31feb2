"""What the answer to a bulk upsert says about each of the items sent.

Every key of the answer is optional, and the shape of an error item is documented nowhere. So
this reads what is there, keeps apart what it knows from what it infers, and leaves the rest open.
Pure.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from target_planhat.outcome import CREATED, UNCHANGED, UPDATED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from planhat_api.client import UpsertResponse
    from target_planhat.outcome import Outcome
    from target_planhat.upsert.merge import MergedItem

ALL_WELL = frozenset({200, 201, 202})
"""Statuses that speak of no failure. Only 200 is documented as that."""
_COUNTS = (
    (CREATED, "created", "insertsKeys"),
    (UPDATED, "updated", "updatesKeys"),
    (UNCHANGED, "nonupdates", ""),
)
"""What counts an outcome, and the list as long as the count where that is missing."""
_WRITTEN_LISTS = (
    ("insertsKeys", CREATED),
    ("updatesKeys", UPDATED),
    ("modified", UPDATED),
    # Last: it is documented nowhere whether it holds updated ones as well.
    ("upsertedIds", CREATED),
)
_SAY_NOTHING: tuple[Any, ...] = (None, "", [], {})
_ERROR_LISTS = ("createdErrors", "updatedErrors", "permissionErrors")
_PLAIN_WORDS = ("message", "error", "reason", "msg", "description", "errmsg", "detail")
_WRAPPERS = ("keys", "item", "record", "document", "payload", "data", "error")
_KEYS = ("_id", "sourceId", "externalId")
_SHOWN = 300
"""Characters of Planhat's own words that a reason repeats."""
_LABEL = re.compile(r"^(?:_id|sourceId|externalId)[:=]")
# What an id may hold: a key is found in a text as a whole, never as a part of a longer one.
_WHOLE = r"(?<![\w.%@/+-]){}(?![\w%@/+-]|[.:]\w)"


@dataclass
class BulkResponse:
    """What an answer tells. Items are numbered as they were sent."""

    done: dict[int, Outcome] = field(default_factory=dict)
    """Named as written, by their keys."""
    failed: dict[int, str] = field(default_factory=dict)
    """Named as failed, by keys or item in the error: number -> Planhat's words."""
    suspected: dict[int, str] = field(default_factory=dict)
    """Named by a text that holds their key: likely, to be confirmed."""
    errors: int = 0
    """Error items, whether they name an item or not."""
    counted: int = 0
    """Items that the counts say were written."""
    counts: bool = False
    """There is any count or list of keys."""
    silent: bool = False
    """Neither that nor anything else is there: a good status is all there is."""
    nothing_written: bool = False
    """The answer says that nothing was created."""
    left: list[Outcome] = field(default_factory=list)
    """Outcomes counted, but not of an item named in `done`."""
    words: str = ""
    """What the answer says where it names no item."""


def read(answer: UpsertResponse, groups: Sequence[MergedItem]) -> BulkResponse:
    """Read the answer to what was sent; its words come out fit to be shown."""
    status, body = answer.status, answer.body
    errors = list(_errors(body))
    if status in ALL_WELL and not errors and (outcome := _all_alike(body, len(groups))):
        return BulkResponse(counts=True, counted=len(groups), left=[outcome] * len(groups))
    reading = BulkResponse(words=_plain(body if body is not None else answer.text))
    index = _Index(groups)
    if isinstance(body, dict):
        _read_written(reading, body, index)
        reading.silent = not reading.counts and _says_nothing(body)
    elif status not in ALL_WELL and reading.words:
        _read_error(reading, reading.words, index)
    for error in errors:
        reading.errors += 1
        _read_error(reading, error, index)
    if not errors and status not in ALL_WELL and isinstance(body, dict) and reading.words:
        _read_error(reading, reading.words, index)
    for item in reading.failed.keys() & reading.done.keys():
        # Named as written and as failed: neither can be relied on.
        del reading.failed[item], reading.done[item]
    for item in reading.failed.keys() | reading.done.keys():
        reading.suspected.pop(item, None)
    if not reading.words and errors:
        reading.words = _plain(errors[0])
    # Not before: a key that is looked for in them may hold a piece of the token.
    reading.words = answer.hide(reading.words)
    for told in (reading.failed, reading.suspected):
        told.update({item: answer.hide(words) for item, words in told.items()})
    return reading


def _all_alike(body: Any, sent: int) -> Outcome | None:
    """Return the outcome of all items, if the counts give them the same: the usual answer."""
    if not isinstance(body, dict):
        return None
    counts = [(_count(body.get(name)) or 0, outcome) for outcome, name, _ in _COUNTS]
    most, outcome = max(counts, key=lambda pair: pair[0])
    return outcome if most == sent == sum(count for count, _ in counts) else None


class _Index:
    """Finds sent items by their keys."""

    def __init__(self, groups: Sequence[MergedItem]) -> None:
        self.groups = groups
        self._by_key: dict[tuple[str, str], list[int]] = defaultdict(list)
        self._by_value: dict[str, set[int]] = defaultdict(set)
        for number, group in enumerate(groups):
            for name in _KEYS:
                value = group.body.get(name)
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
        found = [number for number, group in enumerate(self.groups) if group.body == body]
        return found[0] if len(found) == 1 else None

    def by_text(self, text: str) -> int | None:
        """Return the one item whose key stands in a text as a word of its own."""
        found: set[int] = set()
        for word in set(re.findall(r"[^\s\"'`,;()\[\]{}<>]+", text)):
            bare = word.rstrip(".:!?")
            for candidate in (word, bare, _LABEL.sub("", bare)):
                if candidate in self._by_value:
                    found |= self._by_value[candidate]
                    break
        if not found and len(self.groups) <= _FEW:
            # Keys that hold blanks or punctuation.
            for value, numbers in self._by_value.items():
                if value in text and re.search(_WHOLE.format(re.escape(value)), text):
                    found |= numbers
        return found.pop() if len(found) == 1 else None


_FEW = 500
"""Items up to which keys are looked for in a text one by one."""


def _read_written(reading: BulkResponse, body: Mapping[str, Any], index: _Index) -> None:
    """Take over the counts and the keys of what was written."""
    counts: dict[Outcome, int] = {}
    for outcome, name, keys in _COUNTS:
        count = _count(body.get(name))
        if count is None and isinstance(body.get(keys), list):
            count = len(body[keys])
        if count is not None:
            counts[outcome] = count
    for name, outcome in _WRITTEN_LISTS:
        for entry in _listed(body.get(name)):
            number = index.by_keys(entry if isinstance(entry, dict) else {"_id": entry})
            if number is not None:
                reading.done.setdefault(number, outcome)
    reading.counts = bool(counts or reading.done)
    reading.counted = max(sum(counts.values()), len(reading.done))
    reading.nothing_written = counts.get(CREATED) == 0 and not reading.done
    named_as = list(reading.done.values())
    for outcome, count in counts.items():
        reading.left += [outcome] * max(0, count - named_as.count(outcome))


def _says_nothing(body: Mapping[str, Any]) -> bool:
    """Tell whether an answer holds nothing that could mean a failure."""
    lists = {name for name, _ in _WRITTEN_LISTS}
    return all(value in _SAY_NOTHING for name, value in body.items() if name not in lists)


def _read_error(reading: BulkResponse, error: Any, index: _Index) -> None:
    """Find the item that an error is about."""
    words = _plain(error)
    for candidate in _objects(error):
        number = index.by_keys(candidate)
        if number is None:
            number = index.by_body(candidate)
        if number is not None:
            reading.failed.setdefault(number, words)
            return
    number = index.by_text(words)
    if number is not None:
        reading.suspected.setdefault(number, words)


def _errors(body: Any) -> Iterator[Any]:
    """Yield the error items of an answer."""
    if not isinstance(body, dict):
        return
    for name in _ERROR_LISTS:
        value = body.get(name)
        if isinstance(value, dict):
            # Key -> what is wrong with the item that has it.
            yield from (
                words if isinstance(words, dict) else f"{key}: {words}"
                for key, words in value.items()
            )
        elif isinstance(value, str) and value:
            yield value
        else:
            yield from _listed(value)


def _objects(error: Any) -> Iterator[dict[str, Any]]:
    """Yield the objects in an error that may be an item's keys, or the item."""
    if isinstance(error, dict):
        yield error
        for name in _WRAPPERS:
            if isinstance(error.get(name), dict):
                yield from _objects(error[name])


def _plain(value: Any) -> str:
    """Return what an answer or an error says, as a line of text."""
    if isinstance(value, dict):
        parts: Iterable[Any] = (value[name] for name in _PLAIN_WORDS if value.get(name))
        text = next((plain for part in parts if (plain := _plain(part))), "")
    elif isinstance(value, list):
        text = "; ".join(plain for part in value[:3] if (plain := _plain(part)))
    else:
        text = "" if value is None or isinstance(value, (bool, int, float)) else str(value)
    return " ".join(text.split())[:_SHOWN]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
