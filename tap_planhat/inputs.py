"""Checks the files of `--state` and `--catalog` before anything is read.

Machines write them as a rule, but people can edit them; the SDK takes them as they are and fails
without a clear message on what they lack.
"""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

import jsonschema_rs
import orjson
from singer_sdk.exceptions import ConfigurationError

from planhat_api.redact import shorten
from tap_planhat.inventory.files import KEY_PATTERN, NAME_PATTERN

if TYPE_CHECKING:
    from collections.abc import Mapping

_TEXT_OR_NULL = {"type": ["string", "null"]}
_OFFSET = {"type": ["integer", "null"], "minimum": 0}
_FILE = {"type": "string", "pattern": f"^{NAME_PATTERN}$"}
_INVENTORY = {
    "type": "object",
    "properties": {
        "key": {"type": "string", "pattern": f"^{KEY_PATTERN}$"},
        "base": _FILE,
        "small": {"type": "array", "items": _FILE},
        "parts": {"type": "array", "items": _FILE},
        "withheld": _FILE,
        "blind": {"type": "boolean"},
    },
    "required": ["key"],
    "additionalProperties": False,
}
_BOOKMARK = {
    "offset": _OFFSET,
    "full_table": {"type": "object", "required": ["began"]},
    "full_sync": {"type": "object", "required": ["began"]},
    "inventory": _INVENTORY,
    "last_id": {"type": "string"},
    "page_rows": {"type": "integer", "minimum": 0},
    "select": {"type": "array", "items": {"type": "string"}},
    "undated": {"type": "boolean"},
    "reading": {
        "type": ["object", "null"],
        "properties": {
            "key": _TEXT_OR_NULL,
            "whole": {"type": "boolean"},
            "since": {"type": "string"},
            "last": {"type": "string"},
            "offset": _OFFSET,
            "newest": {"type": "string"},
        },
        "dependentRequired": {"last": ["whole", "began", "since"]},
    },
}
_PARTITION = {
    "type": "object",
    "properties": {"context": {"type": "object"}, **_BOOKMARK},
    "required": ["context"],
}
_STREAM = {
    "type": "object",
    "properties": {"partitions": {"type": "array", "items": _PARTITION}, **_BOOKMARK},
}
_ENTRY = {
    "type": "object",
    "properties": {
        "tap_stream_id": {"type": "string"},
        "replication_key": _TEXT_OR_NULL,
        "replication_method": _TEXT_OR_NULL,
        "key_properties": {"type": ["array", "null"], "items": {"type": "string"}},
        "schema": {
            "type": "object",
            "properties": {
                "properties": {"type": "object", "additionalProperties": {"type": "object"}}
            },
            "required": ["properties"],
        },
        "metadata": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "breadcrumb": {"type": "array", "items": {"type": "string"}},
                    "metadata": {"type": "object"},
                },
                "required": ["breadcrumb", "metadata"],
            },
        },
    },
    "required": ["tap_stream_id", "schema"],
}
SCHEMAS: Mapping[str, dict[str, Any]] = {
    "state": {
        "type": "object",
        "properties": {"bookmarks": {"type": "object", "additionalProperties": _STREAM}},
    },
    "catalog": {
        "type": "object",
        "properties": {"streams": {"type": "array", "items": _ENTRY}},
        "required": ["streams"],
    },
}
"""By option: JSON Schema of what its file must hold."""


def json_text(option: str, file: IO[str]) -> str:
    """Return the JSON that the file of an option holds.

    Args:
        option: `state` or `catalog`.
        file: The file; it is read as UTF-8, whatever it was opened as.

    Raises:
        ConfigurationError: It cannot be read, or holds something else.
    """
    called = f"--{option} {file.name}"
    try:
        data = getattr(file, "buffer", file).read()
        found = orjson.loads(data)
    except OSError as error:
        raise ConfigurationError(f"{called} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ConfigurationError(f"{called} is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise ConfigurationError(f"{called} is JSON, but not an object")
    check = jsonschema_rs.validator_for(SCHEMAS[option], validate_formats=True)
    if (fault := next(check.iter_errors(found), None)) is not None:
        place = ".".join(map(str, fault.instance_path)) or "it"
        raise ConfigurationError(
            f"{called} is not a valid {option}: in {place}, {shorten(fault.message)}"
        )
    if option == "state":
        _check_bookmarks(called, found)
    return orjson.dumps(found).decode()


def _check_bookmarks(called: str, state: Mapping[str, Any]) -> None:
    for name in ("value", "singer_state"):
        # A whole STATE message, or Meltano's envelope: the SDK would find no bookmarks in it, and
        # everything would be read again without a warning.
        if name in state and "bookmarks" not in state:
            raise ConfigurationError(f"{called} should hold the {name} in it alone")
    for name, bookmark in state.get("bookmarks", {}).items():
        partitions = bookmark.get("partitions", ())
        lists = {orjson.dumps(each["context"], option=orjson.OPT_SORT_KEYS) for each in partitions}
        # The SDK would find both, and take neither.
        if len(lists) < len(partitions):
            raise ConfigurationError(f"{called} has two bookmarks of one list of {name}; leave one")
