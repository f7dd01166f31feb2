"""Reads the records that Planhat has of one resource, compares items with them, updates them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from planhat_api.dates import instant
from target_planhat.errors import WriteModeError
from target_planhat.outcome import CREATED, UPDATED, OutcomeKind, rejected
from target_planhat.tenant.compare import ComparedAs, Knowledge, compare
from target_planhat.tenant.judge import Judge
from target_planhat.tenant.rows import TenantRows
from target_planhat.upsert.check import CheckedItem

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from planhat_api.client import PlanhatClient
    from planhat_api.resources import Resource
    from target_planhat.item import Item
    from target_planhat.outcome import Outcome
    from target_planhat.tenant.compare import Comparable, Comparison
    from target_planhat.tenant.judge import CheckSettings
    from target_planhat.tenant.lookups import Lookups
    from target_planhat.upsert.check import WrittenRecords
    from target_planhat.upsert.merge import MergedItem

LONGEST_AGE = 15 * 60.0
"""Seconds after which what was read is read again."""
CHANGED_AT = "updatedAt"
"""Property with the time of the last change; not every tenant has it."""
_SHOWN = 20
"""Most `_id`s that an error names."""


class TenantCheck:
    """Checks the items of one resource against the records that Planhat has."""

    def __init__(
        self,
        client: PlanhatClient,
        resource: Resource,
        settings: CheckSettings,
        lookups: Lookups,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Read nothing yet.

        Args:
            client: Calls Planhat.
            resource: What the items are.
            settings: The target's.
            lookups: Knows the companies.
            clock: Seconds that only ever grow.
        """
        self._client = client
        self._resource = resource
        self._settings = settings
        self._judge = Judge(resource, settings)
        self._lookups = lookups
        self._clock = clock
        self._rows: TenantRows | None = None
        self._read_at = 0.0
        self._known = Knowledge(resource, frozenset())
        self._compared: dict[MergedItem, Comparison] = {}
        self._breaches: list[str] = []
        self._broken = 0

    def begin(self, properties: Collection[str]) -> None:
        """Read the records that the next items are compared with, unless they were read lately.

        Args:
            properties: What the items hold, and what their streams announce.

        Raises:
            PlanhatError: They could not be read, or not with proof that none is missing.
        """
        writable = {name for name, one in self._resource.properties.items() if one.writable}
        kept = writable | {CHANGED_AT}
        wanted = set(properties) & kept if self._settings.compare else set()
        if self._rows is None:
            # A dry run keeps what it would have written.
            self._read(writable | wanted if self._settings.dry_run else wanted)
        elif not wanted <= self._rows.properties:
            self._read(writable | wanted)
        elif self._clock() - self._read_at > LONGEST_AGE and not self._settings.dry_run:
            self._read(self._rows.properties)

    def changed_since(self, item: Comparable, moment: str) -> bool:
        """Return whether the record that an item would update has changed since a moment.

        Args:
            item: The item.
            moment: When, as an ISO date.
        """
        assert self._rows is not None  # noqa: S101 - `begin` comes first
        found = compare(item, self._rows.candidates(item.keys), self._known)
        if found.finding is not ComparedAs.UPDATE or found.found is None:
            return False
        return instant(found.found.row.get(CHANGED_AT)) > instant(moment)

    def judge(self, item: MergedItem) -> CheckedItem:
        """Return what becomes of an item, and what it would change.

        Raises:
            PlanhatError: The list of companies could not be had, or it cannot be told what
                there is already.
        """
        assert self._rows is not None  # noqa: S101 - `begin` comes first
        found = compare(item, self._rows.candidates(item.keys), self._known)
        record_id = found.found.row.get("_id") if found.found else None
        outcome = self._judge.outcome(item, found, self._rows.young)
        if outcome is None:
            self._compared[item] = found
        return CheckedItem(outcome, record_id, found.changes)

    def would_be(self, item: MergedItem) -> Outcome:
        """Return what a run that writes would make of an item that is to be sent."""
        if (rejection := self._unknown_company(item)) is not None:
            return rejection
        return UPDATED if self._compared[item].found else CREATED

    def answered(self, written: WrittenRecords, *, first: bool) -> None:
        """Look for what the write mode forbids in an answer.

        Args:
            written: What it says of the records.
            first: The items were sent for the first time, so none can have matched itself.
        """
        mode = self._settings.write_mode
        if mode == "update_only" and written.created:
            self._broken += written.created
            self._breaches += written.created_ids
        elif mode == "create_only" and written.updated and first:
            self._broken += written.updated
            self._breaches += written.updated_ids

    def wrote(
        self, item: MergedItem, outcomes: Sequence[Outcome | None], record_id: str | None
    ) -> None:
        """Record the outcome of an item that was sent.

        Args:
            item: The item.
            outcomes: Those of the records that were merged into it.
            record_id: Its `_id`, where an answer named it.
        """
        assert self._rows is not None  # noqa: S101 - `begin` comes first
        found = self._compared[item].found
        if all(
            outcome is not None and outcome.kind is not OutcomeKind.REJECTED for outcome in outcomes
        ):
            self._rows.put(found, self._with_company(item.body), record_id)
        elif found is not None and any(_is_unknown(outcome) for outcome in outcomes):
            self._rows.forget(found)

    def end_wave(self) -> None:
        """Forget the items compared so far.

        Raises:
            WriteModeError: Somebody else was faster, and the write mode was not kept.
        """
        self._compared.clear()
        if self._broken:
            raise WriteModeError(f"PUT {self._resource.path}", self._breach())

    def removed(self, item: Item) -> None:
        """Take note that the record with an item's keys was deleted."""
        if self._rows is not None:
            found = compare(item, self._rows.candidates(item.keys), self._known).found
            if found is not None:
                self._rows.remove(found)

    def close(self) -> None:
        """Remove what was read."""
        if self._rows is not None:
            self._rows.close()

    def known_records(self) -> TenantRows | None:
        """Return all records that there are, once they were read."""
        return self._rows

    def _read(self, properties: Collection[str]) -> None:
        self.close()
        self._rows = None
        rows = TenantRows(self._resource, properties)
        rows.read_from(self._client)
        self._rows, self._read_at = rows, self._clock()
        self._known = Knowledge(
            self._resource, rows.carried, self._lookups.company_id, is_empty=rows.was_empty
        )

    def _unknown_company(self, item: MergedItem) -> Outcome | None:
        """Return why Planhat would not write an item, if its company is known not to exist."""
        label = self._resource.company_property
        company = item.body.get(label)
        if not isinstance(company, str) or self._lookups.has_company(company):
            return None
        return rejected(f"`{label}`: Planhat has no company {company}.")

    def _with_company(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return a body with the company's `_id`, where that is known, as lists show it."""
        label = self._resource.company_property
        company = body.get(label)
        if not isinstance(company, str) or "-" not in company:
            return body
        return {**body, label: self._lookups.company_id(company) or company}

    def _breach(self) -> str:
        mode = self._settings.write_mode
        done = "created" if mode == "update_only" else "updated"
        ids = ", ".join(self._breaches[:_SHOWN]) or "not named in Planhat's answer"
        noun = self._resource.singular if self._broken == 1 else self._resource.name
        return (
            f"write_mode is {mode}, but somebody changed Planhat since it was read, and it "
            f"{done} {self._broken} {noun}: {ids}"
        )


def _is_unknown(outcome: Outcome | None) -> bool:
    """Return whether it is not known what became of a record that was sent."""
    return outcome is None or (outcome.kind is OutcomeKind.REJECTED and outcome.status is None)
