"""The target's settings: what `--about` shows and a configuration is checked against."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from singer_sdk import typing as th

from planhat_api.resources import MAX_BULK_ITEMS, RESOURCES
from planhat_api.settings import with_connection

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_KEYABLES = sorted({name for resource in RESOURCES.values() for name in resource.keyables})
_OWN = th.PropertiesList(
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
        th.CustomType(
            {
                "type": ["array", "null"],
                "items": {"type": "string", "enum": _KEYABLES},
                "minItems": 1,
            }
        ),
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
            "What becomes of columns that are not a property of the resource: `drop` leaves them "
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
        "write_mode",
        th.StringType(allowed_values=["upsert", "update_only", "create_only"]),
        default="upsert",
        title="Write mode",
        description=(
            "`upsert` updates what Planhat has and creates the rest, `update_only` skips what it "
            "does not have, `create_only` skips what it has. The last two read the resource first, "
            "at up to 10,000 records a call. If another client is faster all the same, the run "
            "ends with exit code 3 and the `_id`s."
        ),
    ),
    th.Property(
        "compare",
        th.StringType(allowed_values=["off", "tenant"]),
        default="off",
        title="Compare",
        description=(
            "`tenant` reads each resource that is written once, at up to 10,000 records a call, "
            "and sends only what is new or different: nothing else is touched in Planhat. With "
            "`dry_run` it reports what would be created and updated. Needs about 1 GB of temporary "
            "disk for a million records of 1 KB."
        ),
    ),
    th.Property(
        "lookups",
        th.BooleanType,
        default=True,
        title="Lookups",
        description=(
            "Find the ids of users by address (`email-jane@acme.com`, or the address alone), of "
            "companies by `name-Acme AB` or `domain-acme.com`, and of contacts by address within "
            "their company. If off, records that name them so are rejected."
        ),
    ),
    th.Property(
        "lookup_calls",
        th.IntegerType(minimum=0),
        default=200,
        title="Lookup calls",
        description=(
            "Contacts that a run may ask for, one call each. Users and companies are listed in a "
            "few calls, however many are named."
        ),
    ),
    th.Property(
        "reserved_types",
        th.StringType(allowed_values=["reject", "send"]),
        default="reject",
        title="Reserved types",
        description=(
            "What becomes of conversations of the types email, chat, ticket and call, which "
            "Planhat's page says should not be created: `reject` rejects them, `send` sends them, "
            "for tenants that load their tickets through the API. With `compare` or `write_mode`, "
            "those that Planhat has already are sent in any case."
        ),
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
            "What becomes of a stream that is not named campaigns, nps, conversations or "
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
            "feed it to the target again once the cause is fixed. Without it a rejected record "
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
        "report_path",
        th.StringType(pattern=r"\.(jsonl|html)$"),
        title="Report",
        description=(
            "File for a report of what was done about each record, with Planhat's `_id` and, with "
            "`compare`, old and new values: JSON lines if it ends in `.jsonl`, a page for people "
            "who run the CRM if it ends in `.html`. The report of an earlier run is replaced."
        ),
    ),
    th.Property(
        "dry_run",
        th.BooleanType,
        default=False,
        title="Dry run",
        description=(
            "Do everything but the calls that write, and let no STATE out. Records that would be "
            "sent count as skipped; with `compare`, as what would become of them."
        ),
    ),
    th.Property(
        "validate_records",
        th.BooleanType,
        default=True,
        title="Validate records",
        description=(
            "Reject records that do not fit the SCHEMA of their stream, in the columns that are "
            "sent as the tap sent them."
        ),
    ),
).to_dict()

SETTINGS: dict[str, Any] = with_connection(_OWN["properties"])


@dataclass(frozen=True)
class RecordSettings:
    """The settings that decide what becomes of a record, under the names users give them."""

    match_on: Sequence[str] | None
    generate_key: bool
    unknown_properties: str
    null_values: str
    reserved_types: str
    hard_delete: bool
    validate_records: bool
    lookups: bool
    compare: str
    write_mode: str

    @property
    def knows_tenant(self) -> bool:
        """It is known which records Planhat has before any is sent."""
        return self.compare != "off" or self.write_mode != "upsert"

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> RecordSettings:
        """Take them out of the target's settings; those that are not given have their default."""
        known = SETTINGS["properties"]
        names = [field.name for field in fields(cls)]
        return cls(**{name: config.get(name, known[name].get("default")) for name in names})
