"""Answers list requests: reads the query, and returns a page of encoded rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import orjson

from planhat_sandbox.tenant.rules import RULES
from planhat_sandbox.tenant.tenant import stamp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planhat_api.resources import Resource
    from planhat_sandbox.tenant.store import Doc, View
    from planhat_sandbox.tenant.tenant import Tenant

EXPIRY_DAYS = 360
"""Days back the answers of an NPS list reach when nothing is said (`Planhat: Get npss List`)."""


class BadQueryError(ValueError):
    """A query parameter that cannot be used."""


@dataclass(frozen=True)
class Query:
    """The query of a list request."""

    limit: int
    offset: int
    sort: str | None
    descending: bool
    select: frozenset[str] | None
    filters: tuple[Filter, ...]

    def matches(self, doc: Doc) -> bool:
        """Return whether a row passes all filters."""
        for item in self.filters:  # noqa: SIM110 - a generator would cost more than the filters
            if not item.matches(doc):
                return False
        return True


@dataclass(frozen=True)
class Filter:
    """One condition on a row; hashable, as a view is kept under its filters."""

    name: str
    values: frozenset[Any]
    since: str = ""

    def matches(self, doc: Doc) -> bool:
        """Return whether a row passes."""
        value = doc.get(self.name)
        if self.since:
            return value is not None and bool(value >= self.since)
        if isinstance(value, list):
            return any(item.get("id") in self.values for item in value)
        return value in self.values


def parse(params: Mapping[str, str], resource: Resource, tenant: Tenant) -> Query:
    """Read the query of a list request.

    Raises:
        BadQueryError: A number or flag cannot be read.
    """
    limit = whole_number(params, "limit") or resource.default_limit
    sort = params.get("sort", "")
    return Query(
        limit=min(limit, resource.max_limit),
        offset=whole_number(params, "offset") or 0,
        sort=sort.lstrip("-") or None,
        descending=sort.startswith("-"),
        select=read_select(params),
        filters=tuple(_filters(params, resource, tenant)),
    )


def _filters(params: Mapping[str, str], resource: Resource, tenant: Tenant) -> list[Filter]:
    found: list[Filter] = []
    if companies := params.get("companyId"):
        several = companies.split(",") if resource.many_companies else [companies]
        found.append(Filter(resource.company_property, frozenset(several)))
    allowed = RULES[resource.name].filters
    if "enduserIds" in allowed and (people := params.get("enduserIds")):
        found.append(Filter("endusers", frozenset(people.split(","))))
    if "isArchived" in allowed:
        flag = params.get("isArchived") or "false"
        if flag not in {"true", "false"}:
            raise BadQueryError("isArchived must be true or false")
        wanted = frozenset({True}) if flag == "true" else frozenset({False, None})
        found.append(Filter("isArchived", wanted))
    if "npsExpiryDay" in allowed:
        days = whole_number(params, "npsExpiryDay")
        # Cut at the minute: requests of one reading share a view.
        minute = tenant.clock().replace(second=0, microsecond=0)
        try:
            since = minute - timedelta(days=EXPIRY_DAYS if days is None else days)
        except OverflowError:
            raise BadQueryError("npsExpiryDay is too large") from None
        found.append(Filter("dateAnswered", frozenset(), stamp(since)))
    return found


def read_select(params: Mapping[str, str]) -> frozenset[str] | None:
    """Return the properties that are selected, `_id` always with them; None: all."""
    names = frozenset(filter(None, map(str.strip, params.get("select", "").split(","))))
    return names | {"_id"} if names else None


def whole_number(params: Mapping[str, str], name: str) -> int | None:
    """Return a parameter's number; None where it is not given.

    Raises:
        BadQueryError: It is not a whole number.
    """
    text = params.get(name)
    if not text:
        return None
    if not (text.isascii() and text.isdigit()):
        raise BadQueryError(f"{name} must be a whole number")
    return int(text)


def view_of(query: Query, tenant: Tenant, resource: Resource) -> View:
    """Return the rows a query may see, in its order."""
    path: tuple[str, ...] = ()
    if query.sort:
        first, *rest = query.sort.split(".")
        # A list is sorted by the names that its rows have; other names sort nothing.
        known = resource.list_names.get(first, first)
        path = (known or first, *rest)
    table = tenant.tables[resource.name]
    return table.view(query.filters, query.matches if query.filters else None, path)


def page(query: Query, tenant: Tenant, resource: Resource) -> tuple[bytes, int]:
    """Return a page, encoded, and the number of its rows."""
    view = view_of(query, tenant, resource)
    rng = None if tenant.options.steady else tenant.rng
    ids = view.ids(query.offset, query.limit, descending=query.descending, rng=rng)
    table = tenant.tables[resource.name]
    rows = table.rows
    left_out = RULES[resource.name].left_out_of_lists
    if tenant.options.full_lists or query.select is not None:
        left_out = frozenset()
    complete = not left_out if query.select is None else table.has_only(query.select)
    if complete and not resource.list_names:
        return b"[" + b",".join([rows[record_id] for record_id in ids]) + b"]", len(ids)
    docs = [list_row(orjson.loads(rows[record_id]), resource) for record_id in ids]
    if query.select is not None:
        dotted = any("." in name for name in query.select)
        pick = _selected_within if dotted else selected
        docs = [pick(doc, query.select) for doc in docs]
    elif left_out:
        docs = [{k: v for k, v in doc.items() if k not in left_out} for doc in docs]
    return orjson.dumps(docs), len(ids)


def list_row(doc: Doc, resource: Resource) -> Doc:
    """Return a row as lists and single reads show it."""
    if not resource.list_names:
        return doc
    hidden = {name for name in resource.list_names.values() if name}
    shown: Doc = {
        name: None if known is None else doc.get(known)
        for name, known in resource.list_names.items()
    }
    for name in resource.properties:
        if name not in hidden and name not in shown and name != "__v":
            shown[name] = doc.get(name)
    return shown


def table_row(row: Doc, resource: Resource) -> Doc:
    """Return a row of a list in the property table's shape; other rows are returned unchanged."""
    distinct = [name for name in resource.list_names if name not in resource.properties]
    if not any(name in row for name in distinct):
        return row
    doc: Doc = {}
    for name, value in row.items():
        known = resource.list_names.get(name, name)
        if known is not None:
            doc[known] = value
    return doc


def selected(doc: Doc, names: frozenset[str]) -> Doc:
    """Return what is selected of a row."""
    return {name: value for name, value in doc.items() if name in names}


def _selected_within(doc: Doc, names: frozenset[str]) -> Doc:
    """Return what is selected where `custom.X` may name a part of a property."""
    roots = {name.partition(".")[0] for name in names}
    found: Doc = {}
    for name, value in doc.items():
        if name in names:
            found[name] = value
        elif name in roots and isinstance(value, dict):
            inner = {item.partition(".")[2] for item in names if item.startswith(f"{name}.")}
            found[name] = {key: part for key, part in value.items() if key in inner}
    return found
