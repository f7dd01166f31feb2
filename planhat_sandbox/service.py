"""Carries out one request to a resource or to a list beside them, and returns the answer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import orjson

from planhat_api.resources import RESOURCES
from planhat_sandbox.responses import SandboxResponse, json_response, text_response
from planhat_sandbox.tenant import directory, listing, records, upsert
from planhat_sandbox.tenant.fields import is_id
from planhat_sandbox.tenant.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from planhat_api.resources import Resource
    from planhat_sandbox.faults import Effects
    from planhat_sandbox.tenant.tenant import Tenant


@dataclass(frozen=True)
class SandboxRequest:
    """A call to a resource, or to one of the lists beside them."""

    method: str
    name: str
    """The path's first part: one of `directory.NAMES`."""
    key: str | None
    """The path's second part, decoded; None for the collection."""
    params: Mapping[str, str]
    body: bytes

    @property
    def resource(self) -> Resource:
        """The resource; only where the request is for one."""
        return RESOURCES[self.name]


def answer(tenant: Tenant, request: SandboxRequest, effects: Effects) -> SandboxResponse:
    """Carry out a request, and return the answer."""
    if effects.deny and not (request.method == "PUT" and request.key is None):
        return _forbidden(tenant, request)
    try:
        return _route(tenant, request, effects)
    except listing.BadQueryError as error:
        return _error(tenant, 400, str(error))
    except records.RecordError as error:
        return _error(tenant, 400, str(error))
    except orjson.JSONDecodeError:
        return text_response(400, "Unexpected token in JSON")


def _route(tenant: Tenant, request: SandboxRequest, effects: Effects) -> SandboxResponse:
    known = _OPERATIONS if request.name in RESOURCES else _READ_ONLY
    operation = known.get((request.method, request.key is not None))
    if operation is None:
        return text_response(404, f"Cannot {request.method} /{request.name}")
    return operation(tenant, request, effects)


def _list(tenant: Tenant, request: SandboxRequest, effects: Effects) -> SandboxResponse:
    query = listing.parse(request.params, request.resource, tenant)
    limit = query.limit if effects.cap is None else min(query.limit, effects.cap)
    query = replace(query, limit=max(0, limit - effects.short))
    if effects.ignore_sort:
        query = replace(query, sort=None, descending=False)
    if effects.last_offset is not None and query.offset > effects.last_offset:
        query = replace(query, limit=0)
    body, rows = listing.page(query, tenant, request.resource)
    if effects.without:
        body = orjson.dumps([_without(row, effects) for row in orjson.loads(body)])
    return _listed(body, rows, effects)


def _without(row: dict[str, Any], effects: Effects) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in effects.without}


def _list_directory(tenant: Tenant, request: SandboxRequest, effects: Effects) -> SandboxResponse:
    return _listed(*directory.answer(tenant, request.name, request.params), effects)


def _listed(body: bytes, rows: int, effects: Effects) -> SandboxResponse:
    if effects.as_object:
        body = b'{"data":' + body + b"}"
    return SandboxResponse(200, body, rows=rows)


def _create(tenant: Tenant, request: SandboxRequest, _: Effects) -> SandboxResponse:
    sent = records.read_payload(tenant, request.resource, orjson.loads(request.body))
    doc = records.create(tenant, request.resource, sent, tenant.now())
    return json_response(200, records.reply_to_write(request.resource, doc, created=True))


def _bulk(tenant: Tenant, request: SandboxRequest, effects: Effects) -> SandboxResponse:
    items = orjson.loads(request.body)
    if effects.lose_items and isinstance(items, list):
        del items[: effects.lose_items]
    if effects.deny and not tenant.options.steady and tenant.rng.random() < 0.5:  # noqa: PLR2004
        return _forbidden(tenant, request)
    denied = ("*",) if effects.deny else effects.deny_companies
    status, reply, note = upsert.bulk(tenant, request.resource, items, denied=denied)
    return json_response(status, reply, note=note)


def _get(tenant: Tenant, request: SandboxRequest, effects: Effects) -> SandboxResponse:
    doc = records.find_to_read(tenant, request.resource, request.key or "")
    if doc is None:
        return _missing(tenant)
    row = _without(listing.list_row(doc, request.resource), effects)
    if not tenant.options.steady:
        # Any property but the ids may be missing or null, so that one that is null may be either.
        row = {k: v for k, v in row.items() if v is not None or tenant.rng.random() < 0.5}  # noqa: PLR2004
    return json_response(200, row)


def _update(tenant: Tenant, request: SandboxRequest, _: Effects) -> SandboxResponse:
    old = records.find_to_write(tenant, request.resource, request.key or "")
    if old is None:
        return _missing(tenant)
    sent = records.read_payload(tenant, request.resource, orjson.loads(request.body))
    doc, _changed = records.change(tenant, request.resource, old, sent, tenant.now())
    return json_response(200, records.reply_to_write(request.resource, doc, created=False))


def _delete(tenant: Tenant, request: SandboxRequest, _: Effects) -> SandboxResponse:
    key = request.key or ""
    if not is_id(key):
        return _error(tenant, 400, f"Cast to ObjectId failed for value {key}")
    doc = tenant.tables[request.resource.name].remove(key)
    if doc is None:
        if tenant.options.steady or tenant.rng.random() < 0.5:  # noqa: PLR2004
            return _missing(tenant)
        return json_response(200, {"n": 0, "ok": 1, "deletedCount": 0})
    if RULES[request.resource.name].deletes_show_document:
        return json_response(200, records.reply_to_write(request.resource, doc, created=False))
    return json_response(200, {"n": 1, "ok": 1, "deletedCount": 1})


def _missing(tenant: Tenant) -> SandboxResponse:
    return _error(tenant, 404, "Not Found")


def _forbidden(tenant: Tenant, request: SandboxRequest) -> SandboxResponse:
    return _error(tenant, 403, f"No permission to {request.method} {request.name}")


def _error(tenant: Tenant, status: int, message: str) -> SandboxResponse:
    """Return an error in one of many shapes, as none is documented."""
    shapes = (
        json_response(status, {"error": message}),
        json_response(status, {"message": message}),
        json_response(status, message),
        text_response(status, message),
    )
    return shapes[0] if tenant.options.steady else tenant.rng.choice(shapes)


if TYPE_CHECKING:
    Operation = Callable[[Tenant, SandboxRequest, Effects], SandboxResponse]

_OPERATIONS: Mapping[tuple[str, bool], Operation] = MappingProxyType(
    {
        ("GET", False): _list,
        ("POST", False): _create,
        ("PUT", False): _bulk,
        ("GET", True): _get,
        ("PUT", True): _update,
        ("DELETE", True): _delete,
    }
)
"""Method, and whether the path names a record -> what is done."""
_READ_ONLY: Mapping[tuple[str, bool], Operation] = MappingProxyType(
    {("GET", False): _list_directory}
)
