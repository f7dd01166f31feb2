"""Decides whether an item is sent, by what it would do to Planhat's records. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from planhat_api.errors import PlanhatError
from target_planhat.outcome import UNCHANGED, rejected, skipped
from target_planhat.tenant.compare import ComparedAs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planhat_api.resources import Resource
    from target_planhat.outcome import Outcome
    from target_planhat.tenant.compare import Comparable, Comparison


@dataclass(frozen=True)
class CheckSettings:
    """The settings that decide whether an item is sent."""

    compare: bool
    """Send only what differs from what Planhat has."""
    write_mode: str
    """`upsert`, `update_only` or `create_only`."""
    dry_run: bool
    reject_reserved: bool
    """Reject new records with a type that Planhat reserves for itself."""

    @classmethod
    def of(cls, config: Mapping[str, str | bool]) -> CheckSettings:
        """Take them out of the target's settings."""
        return cls(
            compare=config["compare"] == "tenant",
            write_mode=str(config["write_mode"]),
            dry_run=bool(config["dry_run"]),
            reject_reserved=config["reserved_types"] == "reject",
        )

    @property
    def needs_rows(self) -> bool:
        """Whether the records that Planhat has must be read first."""
        return self.compare or self.write_mode != "upsert"


class CannotTellError(PlanhatError):
    """It is not known whether Planhat has a record, so write_mode cannot be kept."""

    hint = "Set write_mode to upsert, or send another key"


class Judge:
    """Judges the items of one resource."""

    def __init__(self, resource: Resource, settings: CheckSettings) -> None:
        """Prepare for a resource."""
        self._resource = resource
        self._settings = settings

    def outcome(self, item: Comparable, found: Comparison, young: str) -> Outcome | None:
        """Return the outcome of an item that is not sent; None: it is to be sent.

        Args:
            item: The item.
            found: What it would do.
            young: The least `_id` of records that may have been made since they were read.

        Raises:
            CannotTellError: No record that comes with this key can be told to be there.
        """
        if found.finding is ComparedAs.CONFLICT:
            return rejected(found.reason)
        if found.doubt and self._settings.write_mode != "upsert":
            return self._cannot_tell(found)
        if found.found is None:
            return self._create(item, young)
        if found.doubt and self._is_reserved(item):
            return self._reserved(item)
        return self._update(found)

    def _cannot_tell(self, found: Comparison) -> Outcome:
        mode = self._settings.write_mode
        if found.key_unknown:
            detail = f"{found.doubt}, so that write_mode {mode} cannot be kept"
            raise CannotTellError(f"GET {self._resource.path}", detail)
        return rejected(f"write_mode {mode} cannot be kept, since {found.doubt}.")

    def _update(self, found: Comparison) -> Outcome | None:
        if self._settings.write_mode == "create_only":
            record_id = found.found.row.get("_id") if found.found else None
            noun = self._resource.singular
            return skipped(f"write_mode is create_only, and Planhat has the {noun}: {record_id}.")
        unchanged = self._settings.compare and found.finding is ComparedAs.UNCHANGED
        return UNCHANGED if unchanged else None

    def _create(self, item: Comparable, young: str) -> Outcome | None:
        noun = self._resource.singular
        if self._settings.write_mode == "update_only":
            return skipped(f"write_mode is update_only, and Planhat has no such {noun}.")
        record_id = item.keys.get("_id", "")
        if record_id and len(item.keys) == 1 and record_id < young:
            return rejected(
                f"Planhat has no {noun} with the `_id` '{record_id}', and would create a new one "
                "each time: leave `_id` out by match_on, or send a "
                f"{self._resource.generated_key} as well."
            )
        if self._is_reserved(item):
            return self._reserved(item)
        # One that was made since the tenant was read may be updated.
        known = not record_id or record_id < young
        required = self._resource.required_to_create if self._settings.compare and known else ()
        missing = [name for name in required if item.body.get(name) in (None, "")]
        if missing:
            return rejected(
                f"`{missing[0]}` is missing: no {noun} is created without it, and Planhat has "
                "none with the keys of this one."
            )
        return None

    def _is_reserved(self, item: Comparable) -> bool:
        kind = item.body.get("type")
        kept = self._resource.reserved_types if self._settings.reject_reserved else ()
        return isinstance(kind, str) and kind.strip().lower() in kept

    def _reserved(self, item: Comparable) -> Outcome:
        return rejected(
            f"`type` '{item.body['type']}' is reserved for what Planhat makes itself, and Planhat "
            f"has no such {self._resource.singular}: send another type, such as note, or set "
            "reserved_types to send if this tenant takes such records through the API."
        )
