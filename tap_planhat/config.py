"""The tap's settings: what `--about` shows and a configuration is checked against.

Data only; what a setting does is said where it is used.
"""

from __future__ import annotations

from typing import Any

from singer_sdk import typing as th

from planhat_api.settings import with_connection

LONGEST_DAYS = 36_500
"""A hundred years: more can only be a mistake."""

_OWN = th.PropertiesList(
    th.Property(
        "start_date",
        th.DateTimeType,
        title="Start date",
        description=(
            "Read only what was created (campaigns, conversations), updated (tasks) or "
            "answered (nps) at or after this date, ISO 8601."
        ),
    ),
    th.Property(
        "company_ids",
        th.ArrayType(th.StringType(min_length=1)),
        title="Company ids",
        description="Planhat `_id`s of companies: read only what belongs to them.",
    ),
    th.Property(
        "parallel_requests",
        th.IntegerType(minimum=1, maximum=50),
        default=4,
        title="Parallel requests",
        description="Page requests that may be under way at once.",
    ),
    th.Property(
        "page_size",
        th.IntegerType(minimum=2),
        title="Page size",
        description="Most rows in one page; by default what Planhat allows the resource.",
    ),
    th.Property(
        "lookback_minutes",
        th.IntegerType(minimum=0, maximum=LONGEST_DAYS * 1440),
        default=10,
        title="Lookback",
        description="Minutes before the bookmark at which an incremental sync starts again.",
    ),
    th.Property(
        "rescan_days",
        th.IntegerType(minimum=0, maximum=LONGEST_DAYS),
        default=1,
        title="Rescan after",
        description=(
            "Days after which a stream whose replication key does not show edits is read "
            "again from its beginning (a rescan); 0: never."
        ),
    ),
    th.Property(
        "unknown_properties",
        th.StringType(allowed_values=["keep", "drop", "fail"]),
        default="keep",
        title="Unknown properties",
        description=(
            "What becomes of properties that Planhat returns and the catalog does not name: "
            "`keep` has them in the column `other`, `drop` leaves them out, `fail` ends the stream."
        ),
    ),
    th.Property(
        "custom_fields",
        th.StringType(allowed_values=["object", "typed"]),
        default="object",
        title="Custom fields",
        description=(
            "`object` has all custom fields in the one column `custom`; with `typed`, discovery "
            "asks Planhat for their types, and flattening makes each a column `custom__Name`."
        ),
    ),
    th.Property(
        "inventory_path",
        th.StringType(min_length=1),
        title="Inventory",
        description=(
            "Folder, or URL such as `s3://bucket/planhat` (install `singer-planhat[cloud]`), that "
            "is kept between runs: rescans then emit only what changed. The stream `deletions` "
            "needs it."
        ),
    ),
    th.Property(
        "rescan_ignores",
        th.ArrayType(th.StringType(min_length=1)),
        title="Rescans ignore",
        description=(
            "Properties, such as `custom.Days in Phase`, whose changes alone make no rescan emit a "
            "record."
        ),
    ),
    th.Property(
        "emit_activate_version_messages",
        th.BooleanType,
        default=False,
        title="Emit ACTIVATE_VERSION messages",
        description="After a complete FULL_TABLE sync, let the target remove what is gone.",
    ),
).to_dict()

SETTINGS: dict[str, Any] = with_connection(_OWN["properties"])
