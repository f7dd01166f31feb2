"""Writes the records of one resource: looks up whom they name, upserts and deletes in order."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

from planhat_api.errors import PlanhatError
from target_planhat import references
from target_planhat.batch.delete import delete
from target_planhat.item import Deletion, Item
from target_planhat.lines import decoded
from target_planhat.outcome import SKIPPED, Outcome, OutcomeKind, rejected
from target_planhat.tenant.check import CHANGED_AT, TenantCheck
from target_planhat.upsert.api import ResourceApi
from target_planhat.upsert.upserter import Upserter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from planhat_api.client import PlanhatClient
    from planhat_api.resources import Resource
    from target_planhat.batch.collector import PendingRecord
    from target_planhat.tenant.judge import CheckSettings
    from target_planhat.tenant.lookups import Lookups


@dataclass(frozen=True)
class WriteSettings:
    """How records are written."""

    batch_size: int
    """Most items of a request."""
    max_body: int
    """Most bytes of a request."""
    retry_timeout: int
    """Seconds the API may be down before that ends the run."""
    check: CheckSettings
    """How records are compared with those that Planhat has."""
    replays: bool = False
    """A reject file is replayed: newer versions of its records may have been loaded since."""
    names_records: bool = False
    """Find the `_id` of each record, for the report."""


@dataclass
class WriteResult:
    """What became of records."""

    outcomes: list[Outcome | None] = field(default_factory=list)
    """By record, in order; None: it is pending."""
    error: PlanhatError | None = None
    """The error that ended the writing early."""
    ids: dict[int, str] = field(default_factory=dict)
    """Place of a record -> its `_id`, where that is known."""
    changes: dict[int, Mapping[str, tuple[Any, Any]]] = field(default_factory=dict)
    """Place of a record -> what it changes, where that is known."""


class ResourceWriter:
    """Writes the records of one resource, batch after batch."""

    def __init__(
        self,
        client: PlanhatClient,
        resource: Resource,
        settings: WriteSettings,
        lookups: Lookups,
    ) -> None:
        """Call nothing yet."""
        self._resource = resource
        self._dry_run = settings.check.dry_run
        self._lookups = lookups
        self._check = (
            TenantCheck(client, resource, settings.check, lookups)
            if settings.check.needs_rows
            else None
        )
        self._knows_outcomes = settings.check.compare
        self._replays = settings.replays and settings.check.compare
        known = self._check.known_records if self._check is not None else lambda: None
        self._api = ResourceApi(client, resource, known)
        self._upserter = Upserter(
            self._api,
            max_items=settings.batch_size,
            max_bytes=settings.max_body,
            retry_timeout=settings.retry_timeout,
            check=self._check,
            names_records=settings.names_records,
            dry_run=self._dry_run,
        )

    def close(self) -> None:
        """Remove the temporary files with the records that Planhat has."""
        if self._check is not None:
            self._check.close()

    def write(self, entries: Sequence[PendingRecord]) -> WriteResult:
        """Upsert and delete in the order in which the records came."""
        result = WriteResult()
        start = 0
        for kind, run in groupby([type(one.what) for one in entries]):
            part = entries[start : start + len(list(run))]
            start += len(part)
            try:
                (self._delete if kind is Deletion else self._upsert)(part, result)
            except PlanhatError as error:
                result.error = error
            if result.error is not None:
                break
        result.outcomes += [None] * (len(entries) - len(result.outcomes))
        return result

    def _upsert(self, entries: Sequence[PendingRecord], result: WriteResult) -> None:
        base = len(result.outcomes)
        ended: list[Outcome | None] = [None] * len(entries)
        places, items = self._items(entries, ended)
        if self._check is not None:
            announced = {entry.source.properties for entry in entries}
            more = {CHANGED_AT} if self._replays else set()
            self._check.begin(more.union(*announced, *(item.body for item in items)))
            if self._replays:
                places, items = self._without_older(self._check, entries, places, items, ended)
        done = self._upserter.upsert(items)
        for place, outcome in zip(places, done.outcomes, strict=True):
            ended[place] = outcome
        result.outcomes += ended
        result.error = done.error
        result.ids.update((base + places[number], one) for number, one in done.ids.items())
        result.changes.update((base + places[number], one) for number, one in done.changes.items())

    def _items(
        self, entries: Sequence[PendingRecord], ended: list[Outcome | None]
    ) -> tuple[Sequence[int], list[Item]]:
        """Put ids in place of references; record the outcome of items whose references fail."""
        items = [
            what
            for entry in entries
            if isinstance(what := entry.what, Item) and not what.has_references
        ]
        if len(items) == len(entries):
            return range(len(items)), items
        places, items = [], []
        for place, entry in enumerate(entries):
            what = entry.what
            if isinstance(what, Item) and what.has_references:
                what = self._lookups.resolve(what, self._resource)
            if isinstance(what, Item):
                places.append(place)
                items.append(what)
            elif isinstance(what, Outcome):
                ended[place] = what
        return places, items

    @staticmethod
    def _without_older(
        check: TenantCheck,
        entries: Sequence[PendingRecord],
        places: Sequence[int],
        items: Sequence[Item],
        ended: list[Outcome | None],
    ) -> tuple[list[int], list[Item]]:
        """Return the items that do not overwrite a newer version; reject the others."""
        left: list[tuple[int, Item]] = []
        for place, item in zip(places, items, strict=True):
            moment = decoded(entries[place].message).get("rejected_at")
            if isinstance(moment, str) and check.changed_since(item, moment):
                ended[place] = rejected(
                    f"The record has changed in Planhat since this one was rejected, on {moment}: "
                    "drop it from the file, or replay it without compare to overwrite the change."
                )
            else:
                left.append((place, item))
        return [place for place, _ in left], [item for _, item in left]

    def _delete(self, entries: Sequence[PendingRecord], result: WriteResult) -> None:
        for entry in entries:
            if isinstance(entry.what, Deletion):
                if "_id" in entry.what.keys:
                    result.ids[len(result.outcomes)] = entry.what.keys["_id"]
                result.outcomes.append(self._deleted(entry.what))

    def _deleted(self, deletion: Deletion) -> Outcome:
        if reason := self._upserter.deletion_fault(deletion):
            return rejected(reason)
        if self._dry_run and not self._knows_outcomes:
            return SKIPPED
        company = deletion.company
        if company and references.company(company):
            company = self._lookups.company_id(company)
            if company is None:
                return rejected(f"It is not known which company {deletion.company} is.")
            deletion = replace(deletion, company=company)
        outcome = delete(self._api, deletion, dry_run=self._dry_run)
        if outcome.kind is OutcomeKind.DELETED:
            self._upserter.forget(deletion)
            if self._check is not None:
                body = {**deletion.keys, self._resource.company_property: company}
                self._check.removed(Item(body, dict(deletion.keys), company))
        return outcome
