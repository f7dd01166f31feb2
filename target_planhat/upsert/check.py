"""The interface between upserts and the comparison with what Planhat has."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from target_planhat.upsert.index import Index

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from target_planhat.outcome import Outcome
    from target_planhat.upsert.merge import MergedItem


@dataclass(frozen=True)
class CheckedItem:
    """The decision about an item before it is sent."""

    outcome: Outcome | None
    """None: it is to be sent."""
    record_id: str | None = None
    """Of the record it would change, where that is known."""
    changes: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    """Property -> what the record holds, and what is sent."""


@dataclass(frozen=True)
class WrittenRecords:
    """What an answer says of the records it has written; every part of it is optional."""

    created: int
    updated: int
    created_ids: Sequence[str]
    updated_ids: Sequence[str]
    by_item: Mapping[int, str]
    """Place of an item in the request -> the `_id` of its record."""

    @classmethod
    def read(cls, body: Any, items: Sequence[MergedItem]) -> WrittenRecords:
        """Read the body of an answer to some items."""
        body = body if isinstance(body, dict) else {}
        inserts, updates = _entries(body, "insertsKeys"), _entries(body, "updatesKeys")
        updated_ids = list(dict.fromkeys([*map(_id, updates), *_ids(body, "modified")]))
        others = {*updated_ids, *(item.keys.get("_id", "") for item in items)}
        upserted = [one for one in _ids(body, "upsertedIds") if one not in others]
        created_ids = list(map(_id, inserts)) or upserted
        return cls(
            created=_count(body, "created", len(created_ids)),
            updated=_count(body, "updated", len(updated_ids)),
            created_ids=created_ids,
            updated_ids=updated_ids,
            by_item=_by_item([*inserts, *updates], [*created_ids, *updated_ids], items),
        )


class Check(Protocol):
    """Knows the records that Planhat has of a resource."""

    def judge(self, item: MergedItem) -> CheckedItem:
        """Return what becomes of an item, and what it would change."""

    def would_be(self, item: MergedItem) -> Outcome:
        """Return what a run that writes would make of an item that is to be sent."""

    def answered(self, written: WrittenRecords, *, first: bool) -> None:
        """Look at what was written; first: the items were sent for the first time."""

    def wrote(
        self, item: MergedItem, outcomes: Sequence[Outcome | None], record_id: str | None
    ) -> None:
        """Record the outcome of an item and of the records that were merged into it."""

    def end_wave(self) -> None:
        """Forget the items judged so far; raise WriteModeError if the mode was not kept."""


def _by_item(
    entries: Sequence[Mapping[str, Any]], ids: Sequence[str], items: Sequence[MergedItem]
) -> dict[int, str]:
    if len(items) == 1 and len(set(ids)) == 1:
        return {0: ids[0]}
    index = Index(items) if entries else None
    found: dict[int, str] = {}
    for entry in entries:
        number = index.by_keys(entry) if index else None
        if number is not None:
            found.setdefault(number, _id(entry))
    return found


def _entries(body: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    entries = body.get(name)
    if not isinstance(entries, list):
        return []
    return [one for one in entries if isinstance(one, dict) and isinstance(one.get("_id"), str)]


def _id(entry: Mapping[str, Any]) -> str:
    return str(entry["_id"])


def _ids(body: Mapping[str, Any], name: str) -> list[str]:
    ids = body.get(name)
    return [one for one in ids if isinstance(one, str)] if isinstance(ids, list) else []


def _count(body: Mapping[str, Any], name: str, listed: int) -> int:
    count = body.get(name)
    return count if isinstance(count, int) and not isinstance(count, bool) else listed
