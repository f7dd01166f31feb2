"""Whether Planhat knows the `_id`s of records that carry no other key.

Planhat mints `_id` itself: it updates the record that has one, and creates a record with another
where none has. So a record whose only key is an `_id` of somewhere else, another tenant's say, is
created anew each time it is sent. A few are looked up before the first of a run is sent.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from planhat_api import errors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_planhat.upsert.api import ResourceApi
    from target_planhat.upsert.merge import MergedItem

LOOKUPS = 3
"""Records of a run that are looked up, at most."""

_NOT_ALLOWED = (
    errors.PermissionDeniedError,
    errors.PayloadError,
    errors.NotFoundError,
    errors.NotJsonError,
)
"""What tells that reading is not possible here, though writing may be."""

logger = logging.getLogger(__name__)


class KnownIds:
    """Finds out for one resource whether `_id`s alone may be sent."""

    def __init__(self, api: ResourceApi) -> None:
        """Ask nothing yet."""
        self._api = api
        resource = api.resource
        self._left = LOOKUPS
        self._trusted = False
        self.reason = (
            "Planhat does not know the `_id`s that this run sends without another key, and would "
            f"create a new {resource.singular} each time: leave `_id` out by match_on, or send a "
            f"{resource.generated_key} as well."
        )
        """Why unknown_ids are not sent."""

    def unknown(self, items: Sequence[MergedItem]) -> list[MergedItem]:
        """Return the items that Planhat would create again each time they are sent.

        That is all whose only key is `_id`, or none: one that is known tells for the others.

        Raises:
            PlanhatError: Planhat is down, or refuses the token.
        """
        if self._trusted:
            return []
        found = [item for item in items if "_id" in item.keys and len(item.keys) == 1]
        self._trusted = bool(found) and self._any_known([item.keys["_id"] for item in found])
        return [] if self._trusted else found

    def _any_known(self, ids: Sequence[str]) -> bool:
        """Look some up; what cannot be looked up counts as known."""
        if self._api.resource.id_in_lists != "_id":
            # A single one is read by what its list calls `_id`, which is another's.
            return self._unchecked(f"{self._api.resource.name} cannot be read by their own _id")
        try:
            for place in dict.fromkeys((0, len(ids) // 2, len(ids) - 1)):
                if self._left == 0:
                    break
                self._left -= 1
                if self._api.exists(ids[place]):
                    return True
            # Something on the way to Planhat may let nothing but writing through, and answer 404.
            if (some := self._api.any_id()) is not None and not self._api.exists(some):
                return self._unchecked("not even a listed one is found by its _id")
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
