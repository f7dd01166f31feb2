"""Which properties to ask a list for."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from planhat_api.errors import PayloadError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from planhat_api.client import PlanhatClient
    from planhat_api.resources import Resource

SAMPLE_ROWS = 20
"""Rows by which is told what a list leaves out unless it is asked for."""


@dataclass(frozen=True)
class Ask:
    """What to say in `select=`."""

    names: tuple[str, ...] | None = None
    """The names; None: say nothing, the list gives all that is wanted."""
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
) -> Ask:
    """Return what to ask a list for.

    A narrow selection is asked for by name. But so may a full one have to be: the example answer
    of `Planhat: Get conversations List` lacks properties that the record has. A sample of rows,
    asked for in both ways, tells.

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
        return Ask(tuple(sorted(wanted)), known=True)
    query = {**filters, "limit": SAMPLE_ROWS, "offset": 0, "sort": "-_id"}
    asking = {**query, "select": ",".join(sorted(wanted))}
    with ThreadPoolExecutor(min(2, parallel), thread_name_prefix="planhat-sample") as pool:
        samples = [pool.submit(client.list_rows, resource, each) for each in (query, asking)]
    unasked = {name for row in samples[0].result() for name in row}
    if not unasked:
        return Ask()
    try:
        rows = samples[1].result()
    except PayloadError:
        return Ask(known=True)
    if {name for row in rows for name in row} <= unasked:
        return Ask(known=True)
    return Ask(tuple(sorted(wanted | unasked)), known=True)


def row_names(resource: Resource, name: str) -> set[str]:
    """Return the names a property of the property table may have in list rows."""
    return {name} | {seen for seen, mapped in resource.list_names.items() if mapped == name}
