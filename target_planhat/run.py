"""One run: puts its parts together, ends it in order, and reports what became of the records."""

from __future__ import annotations

import json
import logging
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from target_planhat.batch.collector import Collector
from target_planhat.batch.processor import BatchProcessor
from target_planhat.batch.rejects import RejectFile
from target_planhat.batch.worker import Worker
from target_planhat.errors import InputError, PendingError, RejectsError
from target_planhat.outcome import OutcomeKind
from target_planhat.report.figures import Report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import IO

    from planhat_api.client import PlanhatClient
    from target_planhat.record.stream import Tally

logger = logging.getLogger("target-planhat")


class Run:
    """A run, from its first message to its report."""

    def __init__(
        self,
        client: PlanhatClient,
        config: Mapping[str, Any],
        source: IO[Any] | None,
        on_error: Callable[[], None],
    ) -> None:
        """Open the reject file; send nothing yet.

        Args:
            client: Calls Planhat.
            config: The settings.
            source: What is read, None for standard input.
            on_error: Called, in another thread, when a batch has ended with an error.

        Raises:
            InputError: The reject file cannot be written, or is what is being read.
        """
        self._config = config
        self._report = Report()
        self._rejects = _open_rejects(config.get("rejects_path"), source)
        self._processor = BatchProcessor(
            client,
            self._report,
            self._rejects,
            _emit,
            batch_size=config["batch_size_rows"],
            max_body=config["max_body_mb"] * 1_000_000,
            retry_timeout=config["retry_timeout"],
            dry_run=config["dry_run"],
        )
        self._worker = Worker(self._processor.process, on_error, self._processor.stop)
        self.collector = Collector(
            self._worker.submit, self._worker.is_idle, batch_size=config["batch_size_rows"]
        )

    def raise_error(self) -> None:
        """Raise what a batch ended with, if any did."""
        self._worker.raise_error()

    def finish(self) -> None:
        """Write everything that was read.

        Raises:
            PlanhatError: The API is down, or does not accept the token.
            OSError: The reject file cannot be written, or nobody takes STATE.
        """
        self.collector.flush()
        self._worker.finish()

    def close(self, tallies: Iterable[Tally]) -> None:
        """End the run: finish what is in flight, begin no more, and report.

        Args:
            tallies: What was read, stream by stream.
        """
        self._worker.stop()
        if self._rejects is not None:
            self._rejects.close()
        read = {tally.stream: tally.read for tally in tallies}
        if gone := sum(tally.gone for tally in tallies):
            logger.info("%d records deleted at the source were skipped: see hard_delete", gone)
        if self._config["dry_run"]:
            logger.info("Dry run: nothing was written; skipped records would have been sent")
        for line in self._report.lines(read):
            logger.info("%s", line)
        logger.info("METRIC: %s", json.dumps(self._report.metric(read), separators=(",", ":")))

    def check_outcomes(self) -> None:
        """Check whether the run may count as a success.

        Raises:
            PendingError: It is not known of all records what became of them.
            RejectsError: It has too many rejects, or nowhere to keep them.
        """
        if pending := self._processor.pending:
            raise PendingError(
                f"{pending} records are pending: Planhat's answers do not tell which of them it "
                "wrote. STATE stops before the first; fix what the warnings name, or lower "
                "batch_size_rows, and run again"
            )
        rejected, limit = self._report.total(OutcomeKind.REJECTED), self._config["max_rejects"]
        path = self._config.get("rejects_path")
        if rejected and not path:
            raise RejectsError(
                f"{rejected} records were rejected, and STATE stops before the first of them: set "
                "rejects_path to keep such records, so that the next run goes on behind them"
            )
        if rejected > limit:
            raise RejectsError(
                f"{rejected} records were rejected, more than max_rejects ({limit}); fix the "
                f"cause and feed {path}, which has them, to target-planhat"
            )


def _open_rejects(path: str | None, source: IO[Any] | None) -> RejectFile | None:
    if not path:
        return None
    try:
        rejects = RejectFile(path)
    except OSError as error:
        raise InputError(f"rejects_path {path} cannot be written: {error.strerror}") from None
    # A source without a descriptor is not a file.
    with suppress(OSError, ValueError, AttributeError):
        if rejects.is_same_as((source or sys.stdin).fileno()):
            rejects.close()
            raise InputError("rejects_path is the file being read; choose another for the rest")
    if rejects.cut:
        logger.warning("%s ended in half a line, which was cut off", path)
    return rejects


def _emit(state: str) -> None:
    sys.stdout.write(state + "\n")
    sys.stdout.flush()
