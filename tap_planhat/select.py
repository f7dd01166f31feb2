"""Which properties to ask a list for.

Knows what lists leave out unless asked; not in which order they are read.
"""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from planhat_api.errors import PayloadError
from planhat_api.rows import row_names

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from planhat_api.client import PlanhatClient
    from planhat_api.resources import Resource

SAMPLE_ROWS = 20
"""Rows by which is told whether a list can be asked for by name."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Select:
    """What to say in `select=`."""

    names: tuple[str, ...] | None = None
    """The names; None: say nothing, the list gives more without."""
    known: bool = False
    """False where there were no rows to tell by."""


def names_to_ask(
    client: PlanhatClient,
    resource: Resource,
    filters: Mapping[str, str | int],
    selected: Collection[str],
    needed: Iterable[str],
    *,
    parallel: int,
) -> Select:
    """Return what to ask a list for.

    By name, even where all is wanted: the example answer of `Planhat: Get conversations List`
    lacks properties that the record has, and which these are no sample can tell, since old rows
    may hold what the newest do not. A sample of rows, asked for in both ways, only tells whether
    the server can be asked like that, and which names it has that are unknown here.

    Args:
        client: Makes the calls.
        resource: What is listed.
        filters: The query's filters.
        selected: Properties wanted, as named in the property table.
        needed: Properties wanted in any case, as named in list rows.
        parallel: Calls that may be under way at once.

    Raises:
        PlanhatError: The sample could not be had.
    """
    wanted = set(needed).union(*(row_names(resource, name) for name in selected))
    if len(selected) < len(resource.properties):
        return Select(tuple(sorted(wanted)), known=True)
    query = {**filters, "limit": SAMPLE_ROWS, "offset": 0, "sort": "-_id"}
    asking = {**query, "select": ",".join(sorted(wanted))}
    with ThreadPoolExecutor(min(2, parallel), thread_name_prefix="planhat-sample") as pool:
        samples = [pool.submit(client.list_rows, resource, each) for each in (query, asking)]
    rows = samples[0].result()
    shown = {name for row in rows for name in row}
    try:
        by_name = samples[1].result()
    except PayloadError:
        return Select(known=bool(shown))
    named = {name for row in by_name for name in row}
    # Rows may come and go between the two answers.
    row_id = resource.id_in_lists
    both = {row.get(row_id) for row in by_name}
    lacking = sorted(wanted & {n for row in rows if row.get(row_id) in both for n in row} - named)
    if lacking and named <= shown:
        return Select(known=True)
    if lacking:
        logger.warning(
            "%s gives %s only to those who ask for nothing by name, and %s only by name; "
            "the former are left out",
            resource.path,
            ", ".join(lacking),
            ", ".join(sorted(named - shown)),
        )
    return Select(tuple(sorted(wanted | shown)), known=bool(shown))
