"""The target's settings: what `--about` shows and a configuration is checked against."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from singer_sdk import typing as th
from singer_sdk.exceptions import ConfigValidationError

from planhat_api.resources import MAX_BULK_ITEMS
from target_planhat.payload import KEYABLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SETTINGS = th.PropertiesList(
    th.Property(
        "api_token",
        th.StringType,
        required=True,
        secret=True,
        title="API token",
        description="Token of a service account that may write the resources you load.",
    ),
    th.Property(
        "region",
        th.StringType,
        title="Region",
        description=(
            "Short name of your tenant's region as in its API host, e.g. `eu2` for "
            "api-eu2.planhat.com. Leave it out for api.planhat.com."
        ),
    ),
    th.Property(
        "api_url",
        th.StringType,
        title="API URL",
        description="Root of the API, in place of the region's; for a sandbox or a proxy.",
    ),
    th.Property(
        "user_agent",
        th.StringType,
        title="User agent",
        description="What the target calls itself in its requests.",
    ),
    th.Property(
        "requests_per_minute",
        th.IntegerType(minimum=1),
        default=200,
        title="Requests per minute",
        description=(
            "Calls that may begin in any 60 seconds, retries counted. Planhat grants a tenant "
            "200; other clients of the tenant share them."
        ),
    ),
    th.Property(
        "request_timeout",
        th.IntegerType(minimum=1),
        default=120,
        title="Request timeout",
        description="Seconds to wait for the answer to a call.",
    ),
    th.Property(
        "retry_timeout",
        th.IntegerType(minimum=0),
        default=300,
        title="Retry timeout",
        description="Seconds a call is tried again before the run gives up.",
    ),
    th.Property(
        "batch_size_rows",
        th.IntegerType(minimum=1, maximum=MAX_BULK_ITEMS),
        default=MAX_BULK_ITEMS,
        title="Batch size",
        description="Most records in one request; Planhat takes no more than 5,000.",
    ),
    th.Property(
        "max_body_mb",
        th.IntegerType(minimum=1, maximum=32),
        default=8,
        title="Maximum body size",
        description="Most megabytes in one request of several records.",
    ),
    th.Property(
        "match_on",
        th.ArrayType(th.StringType(allowed_values=sorted(KEYABLES))),
        title="Match on",
        description=(
            "Keys that may be sent, and so decide which Planhat record is updated. By default "
            "all that the resource has. Leave out `_id` when loading another tenant's records."
        ),
    ),
    th.Property(
        "generate_key",
        th.BooleanType,
        default=True,
        title="Generate key",
        description=(
            "Give a record that has no key one made from its stream and key properties, so that "
            "loading it again updates it. If off, such a record is created anew each time, and "
            "is never sent again when it is not known whether it was written."
        ),
    ),
    th.Property(
        "unknown_properties",
        th.StringType(allowed_values=["drop", "custom", "reject"]),
        default="drop",
        title="Unknown properties",
        description=(
            "What becomes of columns that are no property of the resource: `drop` leaves them "
            "out, `custom` keeps them as custom fields, `reject` rejects the record."
        ),
    ),
    th.Property(
        "null_values",
        th.StringType(allowed_values=["skip", "send"]),
        default="skip",
        title="Null values",
        description="`skip` leaves what Planhat has where a record has null; `send` clears it.",
    ),
    th.Property(
        "hard_delete",
        th.BooleanType,
        default=False,
        title="Hard delete",
        description=(
            "Delete in Planhat what the tap marks as deleted (`_sdc_deleted_at`). If off, such "
            "records are skipped and counted. Nothing that is deleted comes back."
        ),
    ),
    th.Property(
        "unknown_streams",
        th.StringType(allowed_values=["fail", "skip"]),
        default="fail",
        title="Unknown streams",
        description=(
            "What becomes of a stream whose name is none of campaigns, nps, conversations and "
            "tasks: `fail` ends the run, `skip` counts its records as skipped. To load it, give "
            "it one of these names with `stream_maps` and `__alias__`."
        ),
    ),
    th.Property(
        "rejects_path",
        th.StringType,
        title="Reject file",
        description=(
            "File to which rejected records are appended, with their reasons, as Singer messages: "
            "feed it to the target again once the cause is mended. Without it a rejected record "
            "holds STATE back and fails the run."
        ),
    ),
    th.Property(
        "max_rejects",
        th.IntegerType(minimum=0),
        default=0,
        title="Maximum rejects",
        description="Rejected records that a run may keep in the reject file and still succeed.",
    ),
    th.Property(
        "dry_run",
        th.BooleanType,
        default=False,
        title="Dry run",
        description=(
            "Do everything but the calls that write. Records that would be sent count as skipped, "
            "and no STATE comes out."
        ),
    ),
    th.Property(
        "load_method",
        th.StringType(allowed_values=["upsert"]),
        default="upsert",
        title="Load method",
        description="Records are always upserted: updated where their key is known, else created.",
    ),
    th.Property(
        "validate_records",
        th.BooleanType,
        default=True,
        title="Validate records",
        description="Reject records that do not fit the SCHEMA of their stream.",
    ),
).to_dict() | {"additionalProperties": False}


def check_names(names: Iterable[str], schema: Mapping[str, Any]) -> None:
    """Refuse settings that do not exist: a misspelt one would do nothing, unnoticed.

    Raises:
        ConfigValidationError: Naming each, and the one that may be meant.
    """
    known = schema["properties"]
    faults = []
    for name in sorted(set(names) - known.keys()):
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"the settings are {', '.join(known)}"
        faults.append(f"There is no setting {name}; {hint}")
    if faults:
        raise ConfigValidationError("Unknown settings", errors=faults, schema=schema)  # type: ignore[arg-type]


def check_environment(prefix: str, environment: Mapping[str, str]) -> None:
    """Refuse numbers that are none before the SDK reads them: it does not say which it was.

    Raises:
        ConfigValidationError: Naming each variable.
    """
    faults = []
    for name, schema in SETTINGS["properties"].items():
        value = environment.get(variable := prefix + name.upper())
        if value is not None and "integer" in schema["type"]:
            try:
                int(value)
            except ValueError:
                faults.append(f"{variable} must be a whole number, not {value!r}")
    if faults:
        raise ConfigValidationError("Wrong settings", errors=faults, schema=SETTINGS)
