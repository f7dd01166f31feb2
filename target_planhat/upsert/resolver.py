"""Sends the items of one batch, and those again whose outcome the answers leave open.

* An item that an answer names as failed, by its keys or whole, is rejected. One that only a text
  names is rejected once the others were sent again without it and succeeded.
* Everything else that is unexplained goes out again, in halves, breadth first, until each failed
  item is alone. That is harmless for an item with a key: it matches itself. One without a key is
  never sent again after an answer that leaves its outcome open, but rejected as one that may have
  been written; such items go out a hundred at a time, to keep that number small. An `_id` alone is
  a key only if Planhat has such a record, which `ids.py` finds out.
* Counts must add up: an answer that counts fewer items than were sent has dropped some silently.
  An answer without counts is relied on only if it is a success, says nothing else, and no answer
  of the run had counts.
* The number of calls for a batch is limited; the limit grows with the failures that answers count.
  Items without an outcome at the limit stay pending: neither rejected nor taken for written. So do
  items that seem to fail although an answer counted them as written: the tenant has changed.

An item that is sent again may be answered as unchanged although the first request created it. The
first explanation counts: of the items that a request counted but did not name, as many keep that
outcome. The sums are right; which of those items carries which outcome is not known.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from planhat_api import errors
from target_planhat.outcome import UPDATED, OutcomeKind, rejected
from target_planhat.upsert.check import WrittenRecords
from target_planhat.upsert.chunks import Part, calls_to_find, encoded
from target_planhat.upsert.response import BulkResponse, refused, unknown
from target_planhat.upsert.sender import RequestFailed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from target_planhat.outcome import Outcome
    from target_planhat.upsert.ledger import Ledger
    from target_planhat.upsert.merge import MergedItem
    from target_planhat.upsert.state import UpsertState

EXTRA_CALLS = 400
"""Calls that a batch may take besides those that send each item once and those added for counted
failures: enough to find about 20 failed items of 5,000 where answers have no counts."""
REFUSALS_ALIKE = 5
"""Single items refused for no reason of their own, with nothing ever written, before the run
ends: then all writing is refused."""
UNANSWERED = 3
"""Unanswered requests of items without a key in a row after which the server counts as down."""
FEW = 16
"""Most items that are sent one by one if an answer says that all of them failed."""
_TOO_LARGE = 413
_FORBIDDEN = 403

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Open:
    """An answer that does not explain all of its items."""

    items: list[MergedItem]
    rest: list[MergedItem]
    """Those that it does not name."""
    response: BulkResponse
    repeatable: bool
    explained: bool


class BatchResolver:
    """Resolves the outcomes of one batch."""

    def __init__(self, state: UpsertState, ledger: Ledger) -> None:
        """Send nothing yet.

        Args:
            state: What is remembered of the run.
            ledger: Takes the outcomes.
        """
        self._ledger = ledger
        self._state = state
        self._sender = state.sender
        self._calls = EXTRA_CALLS
        # Refused for no reason of their own; rejected unless all writing is refused.
        self._refused: list[tuple[MergedItem, Outcome]] = []
        # Why records stay pending; the reason of the first.
        self._why = ""

    def resolve(self, parts: Iterable[Part]) -> None:
        """Send parts, and again the items they leave open, breadth first."""
        answers: list[_Open] = []
        level: Iterable[Part] = parts
        while level:
            level = [again for part in level for again in self._send(part, answers)]
        # Later answers first: an earlier one is about the same items.
        for answer in reversed(answers):
            self._close(answer)

    def _send(self, part: Part, answers: list[_Open]) -> list[Part]:
        """Send a part and return what has to be sent again."""
        if not part.first:
            if self._calls <= 0:
                self._leave_pending([], f"too many failed to look into each ({part.why})")
                return []
            self._calls -= 1
        try:
            answer = self._sender.send(part.items, first=part.first, body=part.body)
        except errors.TooLargeError as error:
            if len(part.items) > 1:
                limits = self._state.limits
                limits.bytes = min(limits.bytes, len(encoded(part.items)) // 2)
            outcome = rejected(f"It is larger than Planhat accepts ({error.what}).", _TOO_LARGE)
            return self._split(part, outcome)
        except RequestFailed as failure:
            return self._look_into(part, failure.error)
        response = BulkResponse.read(answer, part.items)
        if self._state.names_records:
            self._look_at_records(part, WrittenRecords.read(answer.body, part.items))
        self._state.counts |= response.counts
        self._state.unanswered = 0
        if len(part.items) == 1:
            return self._finish_single(part, response)
        return self._take(part, response, answers)

    def finish(self) -> None:
        """End the batch: log which records stay pending.

        Raises:
            PlanhatError: Nothing may be written at all.
        """
        self._check_refused()
        if pending := self._ledger.pending:
            logger.warning(
                "%s: %d records stay pending, and the next run sends them again: %s",
                self._state.call,
                pending,
                self._why,
            )

    def _look_at_records(self, part: Part, written: WrittenRecords) -> None:
        for number, record_id in written.by_item.items():
            self._ledger.identify(part.items[number], record_id)
        if self._state.check is not None:
            self._state.check.answered(written, first=part.first)

    def _take(self, part: Part, response: BulkResponse, answers: list[_Open]) -> list[Part]:
        """Record the outcomes that an answer gives, and return the items that it leaves open."""
        items, done = part.items, response.done
        self._finish_all([items[number] for number in done], list(done.values()))
        for number, words in response.failed.items():
            self._reject(items[number], refused(words, response.status))
        named = done.keys() | response.failed.keys() | response.suspected.keys()
        rest = (
            [item for number, item in enumerate(items) if number not in named] if named else items
        )
        keyed = bool(items[0].keys)
        repeatable = keyed or response.nothing_written
        explained = not rest or response.explains_rest(keyed=keyed, counting=self._state.counts)
        if not explained or response.suspected:
            answers.append(_Open(items, rest, response, repeatable, explained))
        if explained:
            self._finish_all(rest, [*response.left, *[UPDATED] * len(rest)])
            return []
        if not repeatable:
            for item in rest:
                self._finish(item, unknown("among records that failed", response.words))
            return []
        outcome = refused(response.words, response.status)
        if len(rest) < len(items):
            return [Part(rest, outcome.reason)]
        if response.all_failed and len(items) > FEW:
            for item in items:
                self._reject(item, outcome)
            return []
        return self._split(part, outcome, response)

    def _split(
        self, part: Part, outcome: Outcome, response: BulkResponse | None = None
    ) -> list[Part]:
        """Return the parts in which items are sent again; a single one ends with the outcome."""
        items = part.items
        if len(items) == 1:
            self._reject(items[0], outcome)
            return []
        failures = 0 if response is None else response.failures
        if not part.granted:
            self._calls += calls_to_find(failures, len(items))
        # If all writing is refused, a few single items show it.
        doubtful = response is not None and not failures and not self._sender.has_written
        return part.split(outcome.reason, failures, singles=REFUSALS_ALIKE if doubtful else 0)

    def _look_into(self, part: Part, error: errors.PlanhatError) -> list[Part]:
        """Deal with a request that the server fails on."""
        self._calls -= 2  # The time it took to find out that the server is up.
        if part.items[0].keys:
            outcome = rejected(f"Planhat fails on this record each time ({error.what}).")
            return self._split(part, outcome)
        for item in part.items:
            self._finish(item, unknown("Planhat gave no answer", error.what))
        self._state.unanswered += 1
        if self._state.unanswered >= UNANSWERED:
            raise error
        return []

    def _finish_single(self, part: Part, response: BulkResponse) -> list[Part]:
        """Record the outcome of an item that was sent alone."""
        [item] = part.items
        if response.says_written(counting=self._state.counts):
            self._finish(item, next(iter([*response.done.values(), *response.left, UPDATED])))
            return []
        outcome = response.rejection()
        # An item that must not be sent again must not stay pending either.
        is_general = bool(item.keys) if outcome.status is None else response.refuses_all
        self._reject(item, outcome)
        if is_general and not response.errors and len(item.items) == 1:
            self._refused.append((item, outcome))
            if len(self._refused) >= REFUSALS_ALIKE:
                self._check_refused()
        return []

    def _reject(self, item: MergedItem, outcome: Outcome) -> None:
        """Reject an item; if it is merged, find out which of its records fail.

        The earlier half is written before the later goes out: order holds.
        """
        if len(item.items) == 1:
            self._finish(item, outcome)
            return
        self._calls += calls_to_find(1, len(item.items))
        for half in item.split():
            self.resolve([Part([half], outcome.reason)])

    def _check_refused(self) -> None:
        """Raise the error, rather than reject items, if all writing is refused."""
        if self._refused and not self._sender.has_written:
            _, last = self._refused[-1]
            for item, _ in self._refused:
                self._ledger.forget(item)
            denied = last.status == _FORBIDDEN
            kind = errors.PermissionDeniedError if denied else errors.PayloadError
            raise kind(self._state.call, last.reason)
        self._refused.clear()

    def _close(self, answer: _Open) -> None:
        """Reconcile the outcomes of an answer's items with its counts."""
        if not answer.explained and answer.repeatable:
            self._ledger.restore_counts(answer.rest, answer.response.left)
        if answer.response.suspected:
            self._confirm(answer)
        response = answer.response
        failed = [item for item in answer.rest if self._ledger.rejects(item)]
        named = [answer.items[number] for number in (*response.failed, *response.suspected)]
        most = response.most_failed - sum(map(self._ledger.rejects, named))
        if response.counts and answer.repeatable and len(failed) > most:
            self._leave_pending(failed, "Planhat counted more of them as written than now seem so")

    def _confirm(self, answer: _Open) -> None:
        """Reject the items that only a text names, if that explains the failures."""
        response = answer.response
        failed = sum(self._ledger.failed(item) for item in answer.rest)
        adds_up = len(response.failed) + len(response.suspected) + failed == response.errors
        if not failed or adds_up or not answer.repeatable:
            for number, words in response.suspected.items():
                self._reject(answer.items[number], refused(words, response.status))
        else:
            items = [answer.items[number] for number in response.suspected]
            self.resolve([Part(items, response.words)])

    def _leave_pending(self, items: Sequence[MergedItem], why: str) -> None:
        for item in items:
            self._ledger.forget(item)
        self._why = self._why or why

    def _finish(self, item: MergedItem, outcome: Outcome) -> None:
        """Record the outcome of an item."""
        if outcome.kind is not OutcomeKind.REJECTED:
            self._sender.wrote(item)
        self._ledger.record(item, outcome)

    def _finish_all(self, items: Sequence[MergedItem], outcomes: Sequence[Outcome]) -> None:
        """Record the outcomes of the written items of one request."""
        self._ledger.record_all(items, outcomes)
        if items:
            self._sender.wrote(items[-1])
