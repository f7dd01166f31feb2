"""Whether Planhat knows the `_id`s that records carry.

Planhat assigns `_id` itself and updates the record that has it. What it does with an `_id` that no
record has is not documented: it may try the item's next key, or create a new record each time.
So an `_id` beside another key is sent only if a record has it. Of those that come alone a few are
looked up before the first of a run is sent.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from planhat_api import errors
from target_planhat.item import PER_COMPANY, Item

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from target_planhat.tenant.rows import TenantRows
    from target_planhat.upsert.api import ResourceApi
    from target_planhat.upsert.merge import MergedItem

LOOKUPS = 3
"""Records of a run without another key that are looked up, at most."""
SINGLE_READS = 100
"""Records of a run that are looked up one by one, before the list of all is read instead."""

_NOT_ALLOWED = (
    errors.PermissionDeniedError,
    errors.PayloadError,
    errors.NotFoundError,
    errors.NotJsonError,
)
"""Errors which say that reading is not possible here, though writing may be."""

logger = logging.getLogger(__name__)


class KnownIds:
    """Finds out for one resource which `_id`s may be sent."""

    def __init__(self, api: ResourceApi) -> None:
        """Ask nothing yet."""
        self._api = api
        resource = api.resource
        self._left = LOOKUPS
        self._trusted = False
        self._known: dict[str, bool] = {}
        self._singles = SINGLE_READS
        self._all: TenantRows | None = None
        self._told = False
        self.reason = (
            "Planhat does not know the `_id`s that this run sends without another key, and would "
            f"create a new {resource.singular} each time: leave `_id` out by match_on, or send a "
            f"{resource.generated_key} as well."
        )
        """Why unknown ids are not sent."""

    def without_unknown(self, items: Sequence[Item]) -> tuple[Sequence[Item], dict[int, str]]:
        """Leave out each `_id` that no record has, where an item has another key.

        Returns:
            All items in their order, and why some cannot be sent, by place.

        Raises:
            PlanhatError: Planhat is down, or does not accept the token.
        """
        places = [
            place for place, item in enumerate(items) if "_id" in item.keys and len(item.keys) > 1
        ]
        if not places:
            return items, {}
        try:
            known = self._which_exist([items[place].keys["_id"].lower() for place in places])
        except _NOT_ALLOWED as error:
            return items, dict.fromkeys(places, self._cannot_check(error.what))
        changed = list(items)
        unsendable = {}
        for place in places:
            if items[place].keys["_id"].lower() in known:
                continue
            self._tell()
            changed[place] = item = _without_id(items[place])
            if next(iter(item.keys)) == PER_COMPANY and item.company is None:
                unsendable[place] = (
                    "Planhat does not know its `_id`, and its externalId is unique only within a "
                    f"company: add `{self._api.resource.company_property}`."
                )
        return changed, unsendable

    def unknown(self, items: Sequence[MergedItem]) -> list[MergedItem]:
        """Return the items that Planhat would create again each time they are sent.

        That is all whose only key is `_id`, or none: one that is known tells for the others.

        Raises:
            PlanhatError: Planhat is down, or does not accept the token.
        """
        if self._trusted:
            return []
        found = [item for item in items if "_id" in item.keys and len(item.keys) == 1]
        self._trusted = bool(found) and self._any_known([item.keys["_id"] for item in found])
        return [] if self._trusted else found

    def forget(self, record_id: str) -> None:
        """Take note that a record was deleted."""
        self._known[record_id.lower()] = False

    def _which_exist(self, ids: Collection[str]) -> set[str]:
        """Return those that a record has; read one by one while they are few."""
        resource = self._api.resource
        self._all = self._api.known_records() or self._all
        new = [one for one in dict.fromkeys(ids) if one not in self._known]
        if self._all is None and (len(new) > self._singles or resource.id_in_lists != "_id"):
            self._all = self._api.all_records()
        if self._all is None:
            self._read_singly(new)
        return {one for one in ids if self._exists(one)}

    def _read_singly(self, ids: Sequence[str]) -> None:
        try:
            for one in ids:
                self._singles -= 1
                self._known[one] = self._api.exists(one)
        except errors.RetriableError as error:
            if not error.too_much:
                raise
            # Planhat fails on this record: its list may show it all the same.
            self._all = self._api.all_records()
        if not all(self._known.get(one, True) for one in ids):
            self._check_doubt()

    def _exists(self, record_id: str) -> bool:
        if record_id in self._known or self._all is None:
            return self._known[record_id]
        if self._all.has(record_id):
            return True
        if self._api.is_newer_than(self._all, record_id):
            self._known[record_id] = self._api.exists(record_id)
        return self._known.get(record_id, False)

    def _check_doubt(self) -> None:
        if doubt := self._api.why_missing_means_nothing():
            raise errors.NotFoundError(f"GET {self._api.resource.path}", doubt)

    def _cannot_check(self, why: str) -> str:
        key = self._api.resource.generated_key
        return (
            f"It carries an `_id` beside another key, and it cannot be checked whether Planhat "
            f"knows that ({why}); if not, it might create another {self._api.resource.singular} "
            f"each time. Leave `_id` out by match_on, or let match_on name `_id` alone, without "
            f"{key}."
        )

    def _tell(self) -> None:
        if not self._told:
            self._told = True
            logger.warning(
                "%s: records come with an _id that Planhat does not know; they are sent by their "
                "other key. To save looking them up, leave _id out by match_on",
                self._api.resource.name,
            )

    def _any_known(self, ids: Sequence[str]) -> bool:
        """Look some up; what cannot be looked up counts as known."""
        if self._api.resource.id_in_lists != "_id":
            # A single NPS answer is read by the `_id` of its list, which is the contact's.
            return self._unchecked(f"{self._api.resource.name} cannot be read by their own _id")
        try:
            for place in dict.fromkeys((0, len(ids) // 2, len(ids) - 1)):
                if self._left == 0:
                    break
                self._left -= 1
                if self._api.exists(ids[place]):
                    return True
            self._check_doubt()
        except _NOT_ALLOWED as error:
            return self._unchecked(error.what)
        except errors.RetriableError as error:
            if not error.too_much:
                raise
            return self._unchecked(error.what)
        return False

    def _unchecked(self, why: str) -> bool:
        logger.warning(
            "%s: records come with no key but _id, and it is not checked whether Planhat knows "
            "them (%s). For an _id that it does not know it creates a record each time",
            self._api.resource.name,
            why,
        )
        return True


def _without_id(item: Item) -> Item:
    body = {name: value for name, value in item.body.items() if name != "_id"}
    keys = {name: value for name, value in item.keys.items() if name != "_id"}
    return Item(body, keys, item.company, origin=item.origin)
