"""Sends a batch until every item is created, updated, unchanged, merged or rejected.

What an answer says is read in `response.py`, how one is had from a server that fails in
`sender.py`; here is decided what to do with what answers leave open:

* An item that an answer names as failed, by its keys or whole, is rejected. One that only a text
  names is rejected once the others were sent again and are well without it.
* Everything else that is unexplained goes out again, in halves, until each failed item stands
  alone. That is harmless for an item with a key: it meets itself. One without a key is never sent
  again after an answer that leaves its outcome open, but rejected as one that may have been
  written; such items go out a hundred at a time, to keep that number small. An `_id` alone is a
  key only if Planhat knows it, of which `ids.py` asks.
* Counts must add up: an answer that counts fewer items than were sent has dropped some silently.
  One without counts is believed only if it is a success, says nothing else, and none had counts.
* The calls of a batch are bounded. What is open when they are used up is rejected as unknown.

An item that is sent again may be answered as unchanged although the first request created it. The
first explanation counts: of the items that a request counted but did not name, as many keep that
outcome. The sums are right; which of those items carries which outcome is not known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from planhat_api import errors
from planhat_api.resources import MAX_BULK_ITEMS
from target_planhat.outcome import SKIPPED, UPDATED, OutcomeKind, rejected
from target_planhat.upsert.chunks import Limits, chunked, encoded_as_one, encoding_error
from target_planhat.upsert.ids import KnownIds
from target_planhat.upsert.ledger import Ledger
from target_planhat.upsert.merge import waves
from target_planhat.upsert.response import BulkResponse, refused, unknown
from target_planhat.upsert.sender import BulkSender, RequestFailed, encoded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_planhat.outcome import Outcome
    from target_planhat.upsert.api import ResourceApi
    from target_planhat.upsert.merge import MergedItem, Sendable

EXTRA_CALLS = 240
"""Calls a batch may take beyond those that send each item once."""
REFUSALS_ALIKE = 5
"""Single items refused without a word on them, and nothing ever written: it is not the items."""
UNANSWERED = 3
"""Requests of items without a key that go unanswered before the server counts as down."""
_TOO_LARGE = 413
_FORBIDDEN = 403


@dataclass(frozen=True)
class UpsertResult:
    """What became of a batch."""

    outcomes: list[Outcome | None]
    """By item, in the order given; None: not known, because of `error`."""
    error: errors.PlanhatError | None = None
    """What ended it early: the API is down, or refuses the token."""


class Upserter:
    """Writes the batches of one resource, one after the other.

    >>> api = ResourceApi(client, TASKS)
    >>> upserter = Upserter(api)
    >>> item = Item({"sourceId": "1", "action": "call"}, keys={"sourceId": "1"})
    >>> [outcome.kind.value for outcome in upserter.upsert([item]).outcomes]
    ['created']
    """

    def __init__(
        self,
        api: ResourceApi,
        *,
        max_items: int = MAX_BULK_ITEMS,
        max_bytes: int = 8_000_000,
        retry_timeout: float = 300,
    ) -> None:
        """Send nothing yet.

        Args:
            api: Makes the calls.
            max_items: Most items of a request, at most 5,000.
            max_bytes: Most bytes of a request of several items; lowered when the server finds
                less too large.
            retry_timeout: Seconds a server may be down before that ends the run.
        """
        self.ids = KnownIds(api)
        self.sender = BulkSender(api, retry_timeout=retry_timeout)
        self.call = f"PUT {api.resource.path}"
        self.limits = Limits(min(max_items, MAX_BULK_ITEMS), max_bytes)
        self.counts = False
        """The server counts what it writes, so that an answer without counts tells something."""
        self.unanswered = 0
        """Requests of items without a key in a row that went unanswered."""

    def upsert(self, items: Sequence[Sendable]) -> UpsertResult:
        """Send items until it is known what became of each. Raises nothing of PlanhatError."""
        ledger = Ledger(len(items))
        try:
            _BatchUpsert(self, items, ledger).run()
        except errors.PlanhatError as error:
            return UpsertResult(ledger.outcomes, error)
        return UpsertResult(ledger.outcomes)


def dry_run(items: Sequence[Sendable]) -> UpsertResult:
    """Return what can be known of a batch without sending it: an item to be sent is skipped."""
    ledger = Ledger(len(items))
    for wave in waves(items):
        for item in wave:
            ledger.record(item, encoding_error(item) or SKIPPED)
    return UpsertResult(ledger.outcomes)


class _BatchUpsert:
    """One batch on its way."""

    def __init__(self, upserter: Upserter, items: Sequence[Sendable], ledger: Ledger) -> None:
        self._ledger = ledger
        self._upserter = upserter
        self._sender = upserter.sender
        self._items = items
        self._calls = EXTRA_CALLS
        # Refused without a word on them; rejected unless it turns out that all are.
        self._refused: list[tuple[MergedItem, Outcome]] = []

    def run(self) -> None:
        """Send everything, wave by wave."""
        for found in waves(self._items):
            wave = self._without_unknown_ids(found)
            self._sender.begin(wave)
            body = encoded_as_one(wave, self._upserter.limits)
            if body is not None:
                self._resolve(wave, first=True, body=body)
                continue
            for part in chunked(self._encodable(wave), self._upserter.limits):
                self._resolve(part, first=True)
        self._finish_refused()

    def _without_unknown_ids(self, wave: list[MergedItem]) -> list[MergedItem]:
        """Reject what would be created again each time, and return the others."""
        ids = self._upserter.ids
        if not (found := set(ids.unknown(wave))):
            return wave
        for item in found:
            self._ledger.record(item, rejected(ids.reason))
        return [item for item in wave if item not in found]

    def _encodable(self, wave: Sequence[MergedItem]) -> list[MergedItem]:
        """Reject what cannot be encoded, and return the others."""
        found = []
        for item in wave:
            error = encoding_error(item)
            if error is None:
                found.append(item)
            else:
                self._ledger.record(item, error)
        return found

    def _resolve(
        self,
        part: list[MergedItem],
        *,
        first: bool = False,
        body: bytes | None = None,
        why: str = "",
    ) -> None:
        """Send items, and again what the answer leaves open.

        Args:
            part: The items: all with a key, or all without.
            first: They are sent for the first time.
            body: Them, encoded, where that is done already.
            why: What is known of why they are sent again.
        """
        if not first:
            if self._calls <= 0:
                for item in part:
                    self._finish(item, unknown("among too many failed ones to look into", why))
                return
            self._calls -= 1
        try:
            answer = self._sender.send(part, first=first, body=body)
        except errors.TooLargeError as error:
            if len(part) > 1:
                limits = self._upserter.limits
                limits.bytes = min(limits.bytes, len(encoded(part)) // 2)
            outcome = rejected(f"It is larger than Planhat accepts ({error.what}).", _TOO_LARGE)
            self._split(part, outcome)
        except RequestFailed as failure:
            self._look_into(part, failure.error)
        else:
            self._resolve_rest(part, BulkResponse.read(answer, part))

    def _split(self, part: list[MergedItem], outcome: Outcome) -> None:
        """Send items again in halves; a single one ends with the outcome."""
        if len(part) > 1:
            middle = len(part) // 2
            parts = [part[:middle], part[middle:]]
        elif len(part[0].items) > 1:
            # Of merged items the earlier half is written before the later goes out: order holds.
            parts = [[half] for half in part[0].split()]
        else:
            self._finish(part[0], outcome)
            return
        for each in parts:
            self._resolve(each, why=outcome.reason)

    def _look_into(self, part: list[MergedItem], error: errors.PlanhatError) -> None:
        """Deal with a request that the server fails on."""
        self._calls -= 2  # What it took to tell that the server is up.
        if part[0].keys:
            self._split(part, rejected(f"Planhat fails on this record each time ({error.what})."))
            return
        for item in part:
            self._finish(item, unknown("Planhat gave no answer", error.what))
        self._upserter.unanswered += 1
        if self._upserter.unanswered >= UNANSWERED:
            raise error

    def _resolve_rest(self, part: list[MergedItem], response: BulkResponse) -> None:
        """Take over what an answer explains, and send again what it leaves open."""
        self._upserter.counts |= response.counts
        self._upserter.unanswered = 0
        if len(part) == 1:
            self._finish_single(part, response)
            return
        done = response.done
        self._finish_all([part[number] for number in done], list(done.values()))
        for number, words in response.failed.items():
            self._split([part[number]], refused(words, response.status))
        named = done.keys() | response.failed.keys() | response.suspected.keys()
        rest = [item for number, item in enumerate(part) if number not in named] if named else part
        keyed = bool(part[0].keys)
        repeatable = keyed or response.nothing_written
        if not rest or response.explains_rest(keyed=keyed, counting=self._upserter.counts):
            self._finish_all(rest, [*response.left, *[UPDATED] * len(rest)])
        elif not repeatable:
            for item in rest:
                self._finish(item, unknown("among records that failed", response.words))
        else:
            outcome = refused(response.words, response.status)
            if len(rest) < len(part):
                self._resolve(rest, why=outcome.reason)
            else:
                self._split(rest, outcome)
            self._ledger.restore_counts(rest, response.left)
        self._confirm(part, rest, response, repeatable=repeatable)

    def _confirm(
        self,
        part: Sequence[MergedItem],
        rest: Sequence[MergedItem],
        response: BulkResponse,
        *,
        repeatable: bool,
    ) -> None:
        """Reject those that only a text names, if that explains the failures."""
        if not response.suspected:
            return
        failed = sum(self._ledger.failed(item) for item in rest)
        adds_up = len(response.failed) + len(response.suspected) + failed == response.errors
        if not failed or adds_up or not repeatable:
            for number, words in response.suspected.items():
                self._split([part[number]], refused(words, response.status))
        else:
            self._resolve([part[number] for number in response.suspected])

    def _finish_single(self, part: list[MergedItem], response: BulkResponse) -> None:
        """Take over what became of an item that was sent alone."""
        if response.says_written(counting=self._upserter.counts):
            written = next(iter([*response.done.values(), *response.left, UPDATED]))
            self._finish(part[0], written)
            return
        outcome = response.rejection()
        # What must not be sent again is not left pending either.
        is_general = bool(part[0].keys) if outcome.status is None else response.refuses_all
        if is_general and not response.errors and len(part[0].items) == 1:
            self._refused.append((part[0], outcome))
            if len(self._refused) >= REFUSALS_ALIKE:
                self._finish_refused()
        else:
            self._split(part, outcome)

    def _finish_refused(self) -> None:
        """Reject what was refused without a word on it, unless nothing may be written at all."""
        if self._refused and not self._sender.has_written:
            _, last = self._refused[-1]
            denied = last.status == _FORBIDDEN
            kind = errors.PermissionDeniedError if denied else errors.PayloadError
            raise kind(self._upserter.call, last.reason)
        for item, outcome in self._refused:
            self._finish(item, outcome)
        self._refused.clear()

    def _finish(self, item: MergedItem, outcome: Outcome) -> None:
        """Record what became of an item."""
        if outcome.kind is not OutcomeKind.REJECTED and item.keys:
            self._sender.wrote(item)
        self._ledger.record(item, outcome)

    def _finish_all(self, items: Sequence[MergedItem], outcomes: Sequence[Outcome]) -> None:
        """Record what became of the items of one request that were written."""
        for item, outcome in zip(items, outcomes, strict=False):
            self._ledger.record(item, outcome)
        if items and items[-1].keys:
            self._sender.wrote(items[-1])
