"""Decides which properties to select: lists withhold some unless these are asked for by name."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from planhat_api.errors import PayloadError
from planhat_api.rows import row_names

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from planhat_api.client import PlanhatClient
    from planhat_api.resources import Resource

SAMPLE_ROWS = 20
"""Rows of each end of a list that show whether it is to be asked for by name."""
ENDS = ("-_id", "_id")
"""Orders in which the newest rows, and the oldest, come first."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Select:
    """The content of `select=`."""

    names: tuple[str, ...] | None = None
    """The names; None: send no `select=`, as the list gives more without."""
    known: bool = False
    """Whether there were rows to decide by."""


def wanted_names(resource: Resource, selected: Iterable[str], needed: Iterable[str]) -> set[str]:
    """Return the names, in list rows, of properties that are selected or needed."""
    return set(needed).union(*(row_names(resource, name) for name in selected))


def names_to_ask(
    client: PlanhatClient,
    resource: Resource,
    filters: Mapping[str, str | int],
    selected: Collection[str],
    needed: Iterable[str],
    *,
    unknown: bool,
    parallel: int,
) -> Select:
    """Return the properties to select from a list.

    `select=` hides every property that it does not name. So it is sent where properties that are
    not known here are not wanted, or where the list shows some only if they are asked for by name:
    the example answer of `Planhat: Get conversations List` lacks properties that the record has.
    The newest and the oldest rows, asked for in both ways, tell.

    Args:
        client: Makes the calls.
        resource: What is listed.
        filters: The query's filters.
        selected: Properties wanted, as named in the property table.
        needed: Properties wanted in any case, as named in list rows.
        unknown: Properties that the property table does not name are wanted too.
        parallel: Calls that may be under way at once.

    Raises:
        PlanhatError: The sample could not be read.
    """
    wanted = wanted_names(resource, selected, needed)
    if not unknown and len(selected) < len(resource.properties):
        return Select(tuple(sorted(wanted)), known=True)
    query = {**filters, "limit": SAMPLE_ROWS, "offset": 0}
    asking = {**query, "select": ",".join(sorted(wanted))}
    with ThreadPoolExecutor(min(4, parallel), thread_name_prefix="planhat-sample") as pool:
        plain, by_names = (
            [pool.submit(client.list_rows, resource, {**each, "sort": sort}) for sort in ENDS]
            for each in (query, asking)
        )
    rows = [row for sample in plain for row in sample.result()]
    shown = {name for row in rows for name in row}
    try:
        by_name = [row for sample in by_names for row in sample.result()]
    except PayloadError:
        return Select(known=bool(shown))
    # Rows may come and go between the two answers.
    both = {_id(resource, row) for row in rows} & {_id(resource, row) for row in by_name}
    named = {name for row in by_name if _id(resource, row) in both for name in row}
    unnamed = {name for row in rows if _id(resource, row) in both for name in row}
    if not named - unnamed:
        return Select(known=bool(shown))
    if lacking := sorted(wanted & unnamed - named):
        logger.warning(
            "%s gives %s only to those who ask for nothing by name, and %s only by name; "
            "the former are left out",
            resource.path,
            ", ".join(lacking),
            ", ".join(sorted(named - unnamed)),
        )
    return Select(tuple(sorted(wanted | shown)), known=bool(shown))


def _id(resource: Resource, row: Mapping[str, Any]) -> str:
    # Whatever it is: shape.py judges it.
    return str(row.get(resource.id_in_lists))
