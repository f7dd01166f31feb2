"""The four streams as rows of data: what each is read by, and from which lists."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from planhat_api import resources

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planhat_api.resources import Resource

Filters = MappingProxyType[str, str]


def _filters(**filters: str) -> Filters:
    return MappingProxyType(filters)


@dataclass(frozen=True)
class StreamSpec:
    """How one stream is read."""

    resource: Resource
    keys: tuple[str, ...]
    """Valid replication keys, the default first; `start_date` speaks of that one too."""
    lists: tuple[Filters, ...] = (_filters(),)
    """The filters of the lists that make up the stream."""
    moves_back: str | None = None
    """The date by which rows are found that moved from the second list to the first."""
    window: str | None = None
    """The filter that takes an age in days; such a list is not sorted by its key."""
    unique_ids: bool = True
    """No two rows of a list share an `_id`."""


CAMPAIGNS = StreamSpec(resources.CAMPAIGNS, keys=("_id", "updatedAt"))
# In the order of their arrival: an imported mail's own dates are old.
CONVERSATIONS = StreamSpec(resources.CONVERSATIONS, keys=("_id", "updatedAt"))
# A list row's `_id` is the contact's, who may have given several answers.
NPS = StreamSpec(resources.NPS, keys=("dateAnswered",), window="npsExpiryDay", unique_ids=False)
TASKS = StreamSpec(
    resources.TASKS,
    keys=("updatedAt", "_id"),
    lists=(_filters(isArchived="false"), _filters(isArchived="true")),
    moves_back="updatedAt",
)

STREAMS: Mapping[str, StreamSpec] = MappingProxyType(
    {spec.resource.name: spec for spec in (CAMPAIGNS, CONVERSATIONS, NPS, TASKS)}
)
"""All four, by name."""

DELETIONS = "deletions"
"""The name of the stream of deletions, which is not read from a list."""
