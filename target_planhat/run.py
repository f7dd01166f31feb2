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
from target_planhat.batch.replay import ReplayFile
from target_planhat.batch.worker import Worker
from target_planhat.batch.writer import WriteSettings
from target_planhat.errors import InputError, PendingError, RejectsError
from target_planhat.outcome import OutcomeKind
from target_planhat.output import check_output, emit
from target_planhat.report.figures import Report
from target_planhat.report.summary import RunSummary, open_report
from target_planhat.tenant.judge import CheckSettings
from target_planhat.tenant.lookups import Lookups

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import IO

    from planhat_api.client import PlanhatClient
    from target_planhat.batch.collector import Batch
    from target_planhat.record.stream import Tally
    from target_planhat.report.changes import RecordsReport

logger = logging.getLogger("target-planhat")


class Run:
    """A run, from its first message to its report."""

    def __init__(
        self,
        client: PlanhatClient,
        config: Mapping[str, Any],
        source: IO[Any] | None,
        on_error: Callable[[], None],
        replay: str | None = None,
    ) -> None:
        """Open the reject file; send nothing yet.

        Args:
            client: Calls Planhat.
            config: The settings.
            source: What is read, None for standard input.
            on_error: Called, in another thread, when a batch has ended with an error.
            replay: The reject file that is read, where one is replayed.

        Raises:
            InputError: The reject file cannot be written, or is what is being read.
            OutputError: Nobody takes STATE.
        """
        self._config = config
        self._replay = None if replay is None else _open_replay(replay, config)
        self._rejects_path = replay or config.get("rejects_path")
        if self._replay is None:
            check_output()
        self._report = Report()
        self._rejects = self._replay or _open_rejects(self._rejects_path, source)
        self._records = self._open_records(source)
        self._summary = RunSummary(client, config)
        settings = WriteSettings(
            batch_size=config["batch_size_rows"],
            max_body=config["max_body_mb"] * 1_000_000,
            retry_timeout=config["retry_timeout"],
            check=CheckSettings.of(config),
            replays=replay is not None,
            names_records=self._records is not None,
        )
        self._processor = BatchProcessor(
            client,
            self._report,
            self._rejects,
            emit,
            settings=settings,
            lookups=Lookups(client, most_calls=config["lookup_calls"]),
            records=self._records,
        )
        # A line of which a map makes several records may be in two batches.
        maps = (config.get("stream_maps") or {}).values()
        self._splits_lines = any(isinstance(one, dict) and "__source__" in one for one in maps)
        self._worker = Worker(self._process, on_error, self._processor.stop)
        self.collector = Collector(
            self._worker.submit,
            self._worker.is_idle,
            batch_size=config["batch_size_rows"],
            keep_skipped=self._records is not None or self._replay is not None,
        )

    @property
    def source(self) -> IO[Any] | None:
        """The reject file to read in place of standard input; None: none is replayed."""
        return None if self._replay is None else self._replay.source

    def _process(self, batch: Batch) -> None:
        if self._replay is None:
            check_output()
            self._processor.process(batch)
            return
        try:
            self._processor.process(batch)
        finally:
            self._replay.passed(batch.last_line - self._splits_lines)

    def raise_error(self) -> None:
        """Raise what a batch ended with, if any did."""
        self._worker.raise_error()

    def finish(self) -> None:
        """Write everything that was read.

        Raises:
            PlanhatError: The API is down, or does not accept the token.
            RejectFileError: What is rejected cannot be kept.
            OutputError: Nobody takes STATE.
        """
        self.collector.flush()
        self._worker.finish()

    def end_of_input(self) -> None:
        """Note the end of the input: a replayed reject file keeps only what is rejected."""
        if self._replay is not None:
            self._replay.passed()

    def close(self, tallies: Iterable[Tally], error: BaseException | None) -> None:
        """End the run: finish what is in flight, begin no more, and report.

        Args:
            tallies: What was read, stream by stream.
            error: What the run ends with, None if it goes well.
        """
        self._worker.stop()
        self._processor.close()
        if self._rejects is not None:
            self._rejects.close()
        read = {tally.stream: tally.read for tally in tallies}
        if gone := sum(tally.gone for tally in tallies):
            logger.info("%d records deleted at the source were skipped: see hard_delete", gone)
        if self._config["dry_run"]:
            would = "as what they would be" if self._config["compare"] != "off" else "as skipped"
            logger.info("Dry run: nothing was written; records that would be sent count %s", would)
        for line in self._report.lines(read):
            logger.info("%s", line)
        logger.info("METRIC: %s", json.dumps(self._report.metric(read), separators=(",", ":")))
        if self._records is not None:
            self._records.finish(self._summary.at_end(self._report.figures(read), error))

    def _open_records(self, source: IO[Any] | None) -> RecordsReport | None:
        rejects = [] if self._rejects is None else [self._rejects.descriptor]
        return open_report(self._config.get("report_path"), source, *rejects)

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
        path = self._rejects_path
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


def _open_replay(path: str, config: Mapping[str, Any]) -> ReplayFile:
    try:
        return ReplayFile(path, dry_run=config["dry_run"])
    except OSError as error:
        raise InputError(f"{path} cannot be replayed: {error.strerror}") from None


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
