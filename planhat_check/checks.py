"""The checks of one list: each takes a list and returns its findings.

A check raises PlanhatError if it cannot get a page that it needs.
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from planhat_api.dates import instant
from planhat_api.rows import RowNames
from planhat_check.finding import Finding, Status
from planhat_check.lists import KEY, order_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from planhat_check.lists import ListProbe

_SHARES = ("createdAt", KEY, "externalId", "sourceId")
_ANSWERED = "dateAnswered"
_LEFT_OUT = {"__v", "custom"}

Row = dict[str, Any]


def check(probe: ListProbe, name: str, status: Status, seen: str, follows: str = "") -> Finding:
    """Return a finding about a list."""
    return Finding(probe.name, name, status, seen, follows)


def filtered(probe: ListProbe) -> Iterator[Finding]:
    """Look whether the list holds only what its filter lets through."""
    rows = probe.newest().rows
    for name, wanted in probe.filters.items():
        if name in probe.resource.properties:
            wrong = sum(name in row and str(row[name]).lower() != wanted for row in rows)
            yield check(
                probe,
                f"filter {name}",
                Status.FAIL if wrong else Status.OK if rows else Status.UNKNOWN,
                f"{wrong} of {len(rows)} rows are not {name}={wanted}",
                "the filter is not kept: rows would be read twice or not at all" if wrong else "",
            )


def sorted_by_id(probe: ListProbe) -> Iterator[Finding]:
    """Look whether `sort=_id` is kept, both ways."""
    yield _sorted(
        probe,
        "sort=_id",
        probe.oldest().rows,
        Status.FAIL,
        "nothing can be read completely: the tap ends with an error",
    )
    yield _sorted(
        probe,
        "sort=-_id",
        probe.newest().rows,
        Status.WARN,
        "an incremental sync cannot look at the end of the list first, and takes more calls",
    )


def sorted_by_key(probe: ListProbe) -> Iterator[Finding]:
    """Look whether the list can be sorted by the replication key, where rows carry it."""
    if not probe.carries_key():
        return
    for sign in ("", "-"):
        yield _sorted(
            probe,
            f"sort={sign}{KEY}",
            probe.by_key(sign).rows,
            Status.WARN,
            f"the list is read by _id; edits come with rescans only, whatever {KEY} says",
        )


def _sorted(probe: ListProbe, name: str, rows: Sequence[Row], bad: Status, follows: str) -> Finding:
    sign, by = name.removeprefix("sort=")[:1] == "-", name.removeprefix("sort=").lstrip("-")
    values = list(map(order_of(by), rows))
    if len(set(values)) < 2:  # noqa: PLR2004
        return check(probe, name, Status.UNKNOWN, f"too few different rows ({len(rows)}) to tell")
    if sign:
        values.reverse()
    wrong = sum(one > other for one, other in pairwise(values))
    if wrong:
        seen = f"{wrong:,} of {len(rows):,} rows are out of order"
        return check(probe, name, bad, seen, follows)
    return check(probe, name, Status.OK, f"{len(rows):,} rows in order")


def page_size(probe: ListProbe) -> Iterator[Finding]:
    """Look how many rows a page may have."""
    got, wanted = len(probe.widest().rows), probe.resource.max_limit
    status, follows = Status.OK, ""
    if got >= wanted:
        seen = f"a page of {got:,} rows came, as documented"
    elif not got:
        status, seen = Status.UNKNOWN, "the list is empty"
    elif probe.behind(got):
        status, seen = Status.WARN, f"a page holds {got:,} rows, not the {wanted:,} documented"
        follows = "the tap finds that out by itself; reading takes more calls"
    else:
        seen = f"one page holds the whole list of {got:,} rows"
    yield check(probe, "page size", status, seen, follows)


def select(probe: ListProbe) -> Iterator[Finding]:
    """Look whether `select` leaves out what is not asked for."""
    rows, names = probe.widest().rows, set(probe.selected(probe.main).split(","))
    more = {name for row in rows for name in row} - names
    if not rows:
        yield check(probe, "select", Status.UNKNOWN, "the list is empty")
    elif more:
        yield check(
            probe,
            "select",
            Status.WARN,
            f"{len(more)} properties came that were not asked for",
            "select is ignored: columns that are not selected are read all the same",
        )
    else:
        yield check(probe, "select", Status.OK, "only what was asked for came")


def withheld(probe: ListProbe) -> Iterator[Finding]:
    """Look for properties that the list withholds unless they are asked for by name."""
    if not probe.is_first:
        return
    plain, by_name = (_by_id(probe, page.rows) for page in (probe.newest(), probe.newest_by_name()))
    # Rows may come and go between the two samples.
    both = plain.keys() & by_name.keys()
    if not both:
        yield check(probe, "withheld", Status.UNKNOWN, "no row came in both samples")
        return
    found = sorted(
        {name for row in both for name in by_name[row]}
        - {name for row in both for name in plain[row]}
    )
    if found:
        seen = f"{len(found)} properties come only by name: {', '.join(found)}"
        yield check(probe, "withheld", Status.OK, seen, "the tap asks for all properties by name")
    else:
        seen = f"{len(both)} rows show as much as when they are asked for by name"
        yield check(probe, "withheld", Status.OK, seen)


def _by_id(probe: ListProbe, rows: Sequence[Row]) -> dict[str, Row]:
    name = probe.resource.id_in_lists
    return {row[name]: row for row in rows if isinstance(row.get(name), str)}


def carried(probe: ListProbe) -> Iterator[Finding]:
    """Look which rows carry dates of change and keys, at either end of the list."""
    ends = {"newest": probe.newest().rows, "oldest": probe.oldest().rows}
    if not ends["newest"]:
        yield check(probe, "dates and keys", Status.UNKNOWN, "the list is empty")
        return
    names = [name for name in _SHARES if name in probe.resource.properties]
    seen = "; ".join(
        f"{name} in {_share(ends['newest'], name)} of the newest rows, "
        f"{_share(ends['oldest'], name)} of the oldest"
        for name in names
    )
    status, follows = Status.OK, ""
    if KEY in names:
        status, follows = _edits(probe, [row for rows in ends.values() for row in rows])
    yield check(probe, "dates and keys", status, seen, follows)


def _edits(probe: ListProbe, rows: Sequence[Row]) -> tuple[Status, str]:
    lacking = sum(not row.get(KEY) for row in rows)
    if probe.main == KEY:
        lacking += sum(not row.get(KEY) for row in probe.widest().rows)
        if lacking:
            return Status.WARN, f"rows without {KEY} show edits only in a rescan: keep rescan_days"
        return Status.OK, "every edit is seen by the next incremental sync"
    if lacking:
        return Status.OK, "new rows come with each sync, edits with a rescan"
    return Status.OK, f"{KEY} may be chosen as replication key: edits then come with each sync"


def ties(probe: ListProbe) -> Iterator[Finding]:
    """Look for the greatest group of rows that share a value of the sort key."""
    value = order_of(probe.main)
    groups = Counter(filter(None, map(value, probe.widest().rows)))
    if not groups:
        return
    greatest = max(groups.values())
    most = probe.resource.max_limit
    seen = f"at most {greatest:,} of {groups.total():,} rows share one {probe.main}"
    unique = probe.main == "_id" and probe.resource.id_in_lists == "_id"
    if (unique and greatest > 1) or greatest > most // 2:
        follows = f"a group that fills a page ({most:,}) cannot be read by {probe.main}"
        yield check(probe, "ties", Status.WARN, seen, follows)
    else:
        yield check(probe, "ties", Status.OK, seen)


def unknown_properties(probe: ListProbe) -> Iterator[Finding]:
    """Look for properties that this version does not know."""
    rows = [*probe.newest().rows, *probe.oldest().rows]
    known = probe.resource.properties.keys() | probe.resource.list_names.keys() | _LEFT_OUT
    found = sorted({name for row in rows for name in row} - known)
    if not rows:
        yield check(probe, "properties", Status.UNKNOWN, "the list is empty")
    elif found:
        seen = f"{len(found)} are not known here: {', '.join(found)}"
        yield check(probe, "properties", Status.OK, seen, "they come in the column `other`")
    else:
        yield check(probe, "properties", Status.OK, "all are known here")


def shape(probe: ListProbe) -> Iterator[Finding]:
    """Look at names and ages in the rows of a list that differ from its records."""
    if not probe.resource.list_names:
        return
    rows = [*probe.newest().rows, *probe.oldest().rows]
    if not rows:
        yield check(probe, "shape", Status.UNKNOWN, "the list is empty")
        return
    own = probe.resource.list_names.keys() - probe.resource.properties.keys()
    listed = sum(not own.isdisjoint(row) for row in rows)
    kind = "the list's names" if listed else "the property table's names"
    both = "" if listed in {0, len(rows)} else f" in {listed} of {len(rows)} rows, others without"
    yield check(probe, "shape", Status.OK, f"rows have {kind}{both}", "the tap reads both")
    names = RowNames(probe.resource)
    names.learn(rows)
    dates = sorted(filter(None, (instant(names.renamed(row).get(_ANSWERED)) for row in rows)))
    seen = (
        f"answers from {dates[0][:10]} to {dates[-1][:10]} in the samples"
        if dates
        else "no answer dates"
    )
    yield check(probe, "ages", Status.OK if dates else Status.UNKNOWN, seen)


def _share(rows: Sequence[Mapping[str, Any]], name: str) -> str:
    return f"{100 * sum(bool(row.get(name)) for row in rows) // max(1, len(rows))} %"


CHECKS: Mapping[str, Callable[[ListProbe], Iterator[Finding]]] = {
    "sort=_id": sorted_by_id,
    "page size": page_size,
    "select": select,
    "withheld": withheld,
    "filter": filtered,
    "dates and keys": carried,
    f"sort={KEY}": sorted_by_key,
    "ties": ties,
    "properties": unknown_properties,
    "shape": shape,
}
"""What a check is called where it fails -> the check."""
