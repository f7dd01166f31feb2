"""Sends a batch until every item is created, updated, unchanged, merged or rejected.

Pure as to HTTP: requests go out through a callable. What an answer says is read in `answer.py`,
how one is had from a server that fails in `delivery.py`, what may be taken for explained in
`verdict.py`; here is decided what to do with what answers leave open:

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
from target_planhat.upsert.chunks import Limits, cut, unfit, whole
from target_planhat.upsert.ledger import Ledger
from target_planhat.upsert.merge import waves
from target_planhat.upsert.response import read
from target_planhat.upsert.sender import REFUSED, BulkSender, RequestFailed, encoded
from target_planhat.upsert.verdict import alone, explained, refusal, unknown, written

if TYPE_CHECKING:
    from collections.abc import Sequence

    from planhat_api.client import UpsertResponse
    from target_planhat.outcome import Outcome
    from target_planhat.upsert.ids import KnownIds
    from target_planhat.upsert.merge import MergedItem, Sendable
    from target_planhat.upsert.response import BulkResponse
    from target_planhat.upsert.sender import Send

EXTRA_CALLS = 240
"""Calls a batch may take beyond those that send each item once."""
REFUSALS_ALIKE = 5
"""Single items refused without a word on them, and nothing ever written: it is not the items."""
UNANSWERED = 3
"""Requests of items without a key that go unanswered before the server counts as down."""
_TOO_LARGE = 413
_ALL_REFUSED = {403: errors.PermissionDeniedError, REFUSED: errors.PayloadError}
"""What it means when everything is refused with such a status."""


@dataclass(frozen=True)
class UpsertResult:
    """What became of a batch."""

    outcomes: list[Outcome | None]
    """By item, in the order given; None: not known, because of `error`."""
    error: errors.PlanhatError | None = None
    """What ended it early: the API is down, or refuses the token."""


class Upserter:
    """Settles the batches of one resource, one after the other."""

    def __init__(
        self,
        send: Send,
        *,
        call: str = "PUT",
        max_items: int = MAX_BULK_ITEMS,
        max_bytes: int = 8_000_000,
        retry_timeout: float = 300,
        ids: KnownIds | None = None,
    ) -> None:
        """Send nothing yet.

        Args:
            send: Does a request.
            call: Method and path, for messages.
            max_items: Most items of a request, at most 5,000.
            max_bytes: Most bytes of a request of several items; lowered when the server finds
                less too large.
            retry_timeout: Seconds a server may be down before that ends the run.
            ids: Tells whether an `_id` alone may be sent; None: it may.
        """
        self.ids = ids
        self.delivery = BulkSender(send, retry_timeout=retry_timeout)
        self.call = call
        self.limits = Limits(min(max_items, MAX_BULK_ITEMS), max_bytes)
        self.counts = False
        """The server counts what it writes, so that an answer without counts tells something."""
        self.unanswered = 0
        """Requests of items without a key in a row that went unanswered."""

    def settle(self, items: Sequence[Sendable]) -> UpsertResult:
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
        for group in wave:
            ledger.note(group, unfit(group) or SKIPPED)
    return UpsertResult(ledger.outcomes)


class _BatchUpsert:
    """One batch on its way."""

    def __init__(self, upserter: Upserter, items: Sequence[Sendable], ledger: Ledger) -> None:
        self._ledger = ledger
        self._upserter = upserter
        self._delivery = upserter.delivery
        self._items = items
        self._calls = EXTRA_CALLS
        # Refused without a word on them; rejected unless it turns out that all are.
        self._refused: list[tuple[MergedItem, Outcome]] = []

    def run(self) -> None:
        """Send everything, wave by wave."""
        for found in waves(self._items):
            wave = self._without_unknown_ids(found)
            self._delivery.begin(wave)
            body = whole(wave, self._upserter.limits)
            if body is not None:
                self._resolve(wave, first=True, body=body)
                continue
            for piece in cut(self._fit(wave), self._upserter.limits):
                self._resolve(piece, first=True)
        self._settle_refused()

    def _without_unknown_ids(self, wave: list[MergedItem]) -> list[MergedItem]:
        """Reject what would be created again each time, and return the others."""
        ids = self._upserter.ids
        if ids is None or not (unknown_ids := set(ids.unknown_ids(wave))):
            return wave
        for group in unknown_ids:
            self._ledger.note(group, rejected(ids.refusal))
        return [group for group in wave if group not in unknown_ids]

    def _fit(self, wave: Sequence[MergedItem]) -> list[MergedItem]:
        """Reject what cannot be encoded, and return the others."""
        fit = []
        for group in wave:
            refusal = unfit(group)
            if refusal is None:
                fit.append(group)
            else:
                self._ledger.note(group, refusal)
        return fit

    def _resolve(
        self,
        piece: list[MergedItem],
        *,
        first: bool = False,
        body: bytes | None = None,
        why: str = "",
    ) -> None:
        """Send items, and again what the answer leaves open.

        Args:
            piece: The items: all with a key, or all without.
            first: They are sent for the first time.
            body: Them, encoded, where that is done already.
            why: What is known of why they are sent again.
        """
        if not first:
            if self._calls <= 0:
                for group in piece:
                    self._finish(group, unknown("among too many failed ones to look into", why))
                return
            self._calls -= 1
        try:
            answer = self._delivery.ask(piece, first=first, body=body)
        except errors.TooLargeError as error:
            if len(piece) > 1:
                limits = self._upserter.limits
                limits.bytes = min(limits.bytes, len(encoded(piece)) // 2)
            refusal = rejected(f"It is larger than Planhat accepts ({error.what}).", _TOO_LARGE)
            self._split(piece, refusal)
        except RequestFailed as failure:
            self._look_into(piece, failure.error)
        else:
            self._digest(piece, answer)

    def _split(self, piece: list[MergedItem], verdict: Outcome) -> None:
        """Send items again in halves; a single one gets the verdict."""
        if len(piece) > 1:
            half = len(piece) // 2
            parts = [piece[:half], piece[half:]]
        elif len(piece[0].items) > 1:
            # Of merged items the earlier half is settled before the later goes out: order holds.
            parts = [[part] for part in piece[0].split()]
        else:
            self._finish(piece[0], verdict)
            return
        for part in parts:
            self._resolve(part, why=verdict.reason)

    def _look_into(self, piece: list[MergedItem], error: errors.PlanhatError) -> None:
        """Deal with a request that the server fails on."""
        self._calls -= 2  # What it took to tell that the server is up.
        if piece[0].keys:
            self._split(piece, rejected(f"Planhat fails on this record each time ({error.what})."))
            return
        for group in piece:
            self._finish(group, unknown("Planhat gave no answer", error.what))
        self._upserter.unanswered += 1
        if self._upserter.unanswered >= UNANSWERED:
            raise error

    def _digest(self, piece: list[MergedItem], answer: UpsertResponse) -> None:
        """Settle what an answer explains, and see to the rest."""
        reading = read(answer, piece)
        self._upserter.counts |= reading.counts
        self._upserter.unanswered = 0
        if len(piece) == 1:
            self._judge(piece, answer.status, reading)
            return
        done = reading.done
        self._finish_all([piece[number] for number in done], list(done.values()))
        for number, words in reading.failed.items():
            self._split([piece[number]], refusal(words, answer.status))
        named = done.keys() | reading.failed.keys() | reading.suspected.keys()
        rest = piece
        if named:
            rest = [group for number, group in enumerate(piece) if number not in named]
        repeatable = bool(piece[0].keys) or reading.nothing_written
        counting = self._upserter.counts
        if explained(reading, answer.status, piece, rest, counting=counting):
            self._finish_all(rest, [*reading.left, *[UPDATED] * len(rest)])
        elif not repeatable:
            for group in rest:
                self._finish(group, unknown("among records that failed", reading.words))
        else:
            verdict = refusal(reading.words, answer.status)
            if len(rest) < len(piece):
                self._resolve(rest, why=verdict.reason)
            else:
                self._split(rest, verdict)
            self._ledger.restore_counts(rest, reading.left)
        self._confirm(piece, rest, reading, answer.status, repeatable=repeatable)

    def _confirm(
        self,
        piece: Sequence[MergedItem],
        rest: Sequence[MergedItem],
        reading: BulkResponse,
        status: int,
        *,
        repeatable: bool,
    ) -> None:
        """Reject those that only a text names, if that explains the failures."""
        if not reading.suspected:
            return
        failed = sum(self._ledger.failed(group) for group in rest)
        adds_up = len(reading.failed) + len(reading.suspected) + failed == reading.errors
        if not failed or adds_up or not repeatable:
            for number, words in reading.suspected.items():
                self._split([piece[number]], refusal(words, status))
        else:
            self._resolve([piece[number] for number in reading.suspected])

    def _judge(self, piece: list[MergedItem], status: int, reading: BulkResponse) -> None:
        """Settle an item that was sent alone."""
        if written(reading, status, counting=self._upserter.counts):
            self._finish(piece[0], next(iter([*reading.done.values(), *reading.left, UPDATED])))
            return
        verdict = alone(reading, status)
        refused = status in _ALL_REFUSED
        if verdict.status is None:
            # What must not be sent again is not left open either.
            refused = bool(piece[0].keys)
        if refused and not reading.errors and len(piece[0].items) == 1:
            self._refused.append((piece[0], verdict))
            if len(self._refused) >= REFUSALS_ALIKE:
                self._settle_refused()
        else:
            self._split(piece, verdict)

    def _settle_refused(self) -> None:
        """Reject what was refused without a word on it, unless nothing may be written at all."""
        if self._refused and not self._delivery.has_written:
            _, last = self._refused[-1]
            raise _ALL_REFUSED[last.status or REFUSED](self._upserter.call, last.reason)
        for group, verdict in self._refused:
            self._finish(group, verdict)
        self._refused.clear()

    def _finish(self, group: MergedItem, outcome: Outcome) -> None:
        """Settle an item."""
        if outcome.kind is not OutcomeKind.REJECTED and group.keys:
            self._delivery.wrote(group)
        self._ledger.note(group, outcome)

    def _finish_all(self, groups: Sequence[MergedItem], outcomes: Sequence[Outcome]) -> None:
        """Settle the items of one request that were written."""
        for group, outcome in zip(groups, outcomes, strict=False):
            self._ledger.note(group, outcome)
        if groups and groups[-1].keys:
            self._delivery.wrote(groups[-1])
