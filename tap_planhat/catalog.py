"""Moves the choices of a catalog to where the SDK looks for them.

Singer's metadata (`replication-method`, `replication-key`, which Meltano sets) counts as the
entries' own `replication_method` and `replication_key` do.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from planhat_api.errors import SettingsError
from planhat_api.redact import shown
from tap_planhat.spec import DELETIONS, STREAMS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from singer_sdk.singerlib import Catalog

    from tap_planhat.spec import StreamSpec

logger = logging.getLogger(__name__)


def understood(catalog: Mapping[str, Any]) -> dict[str, Any]:
    """Return a catalog as the SDK understands it.

    Args:
        catalog: As it was given: what discovery prints, with choices made by people or Meltano.

    Raises:
        SettingsError: It chooses two things for one stream.
    """
    return {**catalog, "streams": [_understood(entry) for entry in catalog["streams"]]}


def _understood(entry: Mapping[str, Any]) -> dict[str, Any]:
    name = entry["tap_stream_id"]
    if name == DELETIONS:
        return {**entry, "stream": name}
    if (spec := STREAMS.get(name)) is None:
        logger.warning("The catalog names an unknown stream, %s; %s", shown(name), _known())
        return {**entry}
    if (called := entry.get("stream", name)) != name:
        logger.warning(
            "The catalog calls %s %s; its records are written as %s. To rename a stream, set "
            "stream_maps",
            name,
            shown(str(called)),
            name,
        )
    return {**entry, "stream": name, **_replication(spec, entry)}


def _replication(spec: StreamSpec, entry: Mapping[str, Any]) -> dict[str, str]:
    """Return the chosen method and key, as opposed to the defaults that discovery writes."""
    root: dict[str, Any] = next(
        (each["metadata"] for each in entry.get("metadata", ()) if not each["breadcrumb"]), {}
    )
    method, key = entry.get("replication_method"), entry.get("replication_key")
    methods = {root.get("replication-method"), root.get("forced-replication-method")}
    methods.add(None if method == "INCREMENTAL" else method)
    keys = {None if each == spec.keys[0] else each for each in (key, root.get("replication-key"))}
    chosen = {
        "replication_method": _one(spec, "method", methods),
        "replication_key": _one(spec, "key", keys),
    }
    return {name: value for name, value in chosen.items() if value is not None}


def _one(spec: StreamSpec, what: str, choices: Iterable[str | None]) -> str | None:
    chosen = sorted(choice for choice in choices if choice is not None)
    if len(chosen) > 1:
        raise SettingsError(
            f"The catalog chooses {' and '.join(chosen)} as replication {what} of "
            f"{spec.resource.name}: one in its metadata, one beside it. Leave one of them"
        )
    return chosen[0] if chosen else None


def warn_if_nothing_is_selected(catalog: Catalog) -> None:
    """Log a warning if a catalog selects none of the streams: a name may be misspelt."""
    entries = (entry for entry in catalog.streams if entry.tap_stream_id in STREAMS)
    if not any(entry.metadata.resolve_selection()[()] for entry in entries):
        logger.warning("No stream is selected, so nothing is read; %s", _known())


def _known() -> str:
    return f"the streams are {', '.join(STREAMS)}"
