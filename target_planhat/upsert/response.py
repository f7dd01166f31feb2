"""What the answer to a bulk upsert says about each of the items sent.

Every key of the answer is optional, and the shape of an error item is documented nowhere. So
this reads what is there, keeps apart what it knows from what it infers, and leaves the rest open.
Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from target_planhat.outcome import CREATED, UNCHANGED, UPDATED, rejected
from target_planhat.upsert.index import Index

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

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
"""Outcome, the property that counts it, and the list to count where that is missing."""
_WRITTEN_LISTS = (
    ("insertsKeys", CREATED),
    ("updatesKeys", UPDATED),
    ("modified", UPDATED),
    # Last: it is documented nowhere whether it holds updated ones as well.
    ("upsertedIds", CREATED),
)
_SUCCESS = range(200, 300)
_SOME_FAILED, _BAD_REQUEST = 206, 400
_SAY_NOTHING: tuple[Any, ...] = (None, "", [], {})
_ERROR_LISTS = ("createdErrors", "updatedErrors", "permissionErrors")
_PLAIN_WORDS = ("message", "error", "reason", "msg", "description", "errmsg", "detail")
_WRAPPERS = ("keys", "item", "record", "document", "payload", "data", "error")
_SHOWN = 300
"""Characters of Planhat's own words that a reason repeats."""


@dataclass
class BulkResponse:
    """The answer to a bulk upsert, item by item. Items are numbered as they were sent."""

    status: int
    sent: int
    """Items of the request."""
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
    """Whether it has any count or list of keys."""
    silent: bool = False
    """Whether it has nothing but its status, a success."""
    nothing_written: bool = False
    """The answer says that nothing was created."""
    left: list[Outcome] = field(default_factory=list)
    """Outcomes that were counted, less those of items in `done`."""
    words: str = ""
    """Planhat's words that are not about a single item; safe to show."""

    @classmethod
    def read(cls, answer: UpsertResponse, items: Sequence[MergedItem]) -> BulkResponse:
        """Read the answer to the items that were sent."""
        status, body = answer.status, answer.body
        errors = list(_errors(body))
        if status in ALL_WELL and not errors and (outcome := _all_alike(body, len(items))):
            left = [outcome] * len(items)
            return cls(status, len(items), counts=True, counted=len(items), left=left)
        words = _plain(body if body is not None else answer.text)
        response = cls(status, len(items), words=words, errors=len(errors))
        response._take(body, errors, Index(items))
        response._hide(answer.hide)
        return response

    def explains_rest(self, *, keyed: bool, counting: bool) -> bool:
        """Return whether the items that it does not name can be taken for written.

        Args:
            keyed: Whether the items have keys.
            counting: Whether the server is known to count what it writes.
        """
        named = len(self.failed)
        if self.suspected:
            if keyed:
                # The text may be about another item: first the others must succeed without it.
                return False
            named += len(self.suspected)
        if self.errors != named:
            return False
        if self.counts:
            return self.counted + self.errors >= self.sent
        return self._is_believed(counting=counting)

    def says_written(self, *, counting: bool) -> bool:
        """Return whether the answer says that its only item was written."""
        if self.errors or self.status not in _SUCCESS:
            return False
        return self.counted > 0 or self._is_believed(counting=counting)

    def rejection(self) -> Outcome:
        """Return why its only item, which it does not call written, is rejected.

        Without a status it may have been written.
        """
        words = next(iter([*self.failed.values(), *self.suspected.values(), self.words]))
        if self.errors or self.status not in _SUCCESS or self.status == _SOME_FAILED:
            return refused(words, self.status)
        if self.counts:
            return rejected("Planhat answered that all is well, but did not write it.", self.status)
        return unknown(f"Planhat answers with {self.status} but counts nothing", words)

    @property
    def failures(self) -> int:
        """Number of items that it counts as failed; 0 if it has no counts."""
        return self.errors or (self.sent - self.counted if self.counted else 0)

    @property
    def most_failed(self) -> int:
        """Most items that can have failed, if its counts are right."""
        return max(self.sent - self.counted, self.errors)

    @property
    def all_failed(self) -> bool:
        """Whether it has an error for each item and counts none as written."""
        return self.errors == self.sent and not self.counted

    @property
    def refuses_all(self) -> bool:
        """Whether its status refuses the request as a whole."""
        return self.status not in _SUCCESS and self.status != _BAD_REQUEST

    def _is_believed(self, *, counting: bool) -> bool:
        """Return whether an answer that counts nothing means that all were written."""
        return self.status in ALL_WELL and self.silent and not counting

    def _take(self, body: Any, errors: Sequence[Any], index: Index) -> None:
        """Read what the body says of the items."""
        if isinstance(body, dict):
            self._take_written(body, index)
            self.silent = not self.counts and _says_nothing(body)
        for error in errors:
            self._take_error(error, index)
        if not errors and self.status not in ALL_WELL and self.words:
            self._take_error(self.words, index)
        for number in self.failed.keys() & self.done.keys():
            # Named both as written and as failed: neither counts.
            del self.failed[number], self.done[number]
        for number in self.failed.keys() | self.done.keys():
            self.suspected.pop(number, None)
        if not self.words:
            self.words = "; ".join(list(dict.fromkeys(map(_plain, errors)))[:3])[:_SHOWN]

    def _take_written(self, body: Mapping[str, Any], index: Index) -> None:
        """Read the counts and the keys of what was written."""
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
                    self.done.setdefault(number, outcome)
        self.counts = bool(counts or self.done)
        self.counted = max(sum(counts.values()), len(self.done))
        self.nothing_written = counts.get(CREATED) == 0 and not self.done
        named_as = list(self.done.values())
        for outcome, count in counts.items():
            self.left += [outcome] * max(0, count - named_as.count(outcome))

    def _take_error(self, error: Any, index: Index) -> None:
        """Find the item that an error is about."""
        words = _plain(error)
        for candidate in _objects(error):
            number = index.by_keys(candidate)
            if number is None:
                number = index.by_body(candidate)
            if number is not None:
                self.failed.setdefault(number, words)
                return
        number = index.by_text(words)
        if number is not None:
            self.suspected.setdefault(number, words)

    def _hide(self, hide: Callable[[str], str]) -> None:
        """Make Planhat's words safe to show; only after keys, which may look like the token."""
        self.words = hide(self.words)
        for told in (self.failed, self.suspected):
            told.update({number: hide(words) for number, words in told.items()})


def refused(words: str, status: int) -> Outcome:
    """Return the outcome of an item that Planhat refuses, in these words of its own."""
    said = f": {words}" if words else f" with status {status}, and does not say why."
    return rejected(f"Planhat refuses it{said}", status)


def unknown(what: str, words: str) -> Outcome:
    """Return the outcome of an item that may have been written."""
    said = f" ({words})" if words else ""
    return rejected(f"It is not known whether it was written: {what}{said}.")


def _all_alike(body: Any, sent: int) -> Outcome | None:
    """Return the outcome of all items if the counts say it is the same, as they usually do."""
    if not isinstance(body, dict):
        return None
    counts = [(_count(body.get(name)) or 0, outcome) for outcome, name, _ in _COUNTS]
    most, outcome = max(counts, key=lambda pair: pair[0])
    return outcome if most == sent == sum(count for count, _ in counts) else None


def _says_nothing(body: Mapping[str, Any]) -> bool:
    """Return whether an answer has nothing that could mean a failure."""
    lists = {name for name, _ in _WRITTEN_LISTS}
    return all(value in _SAY_NOTHING for name, value in body.items() if name not in lists)


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
    """Return the words of an answer or an error as a line of text."""
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
