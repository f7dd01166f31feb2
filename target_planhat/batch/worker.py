"""Processes batches in a thread of its own, one after the other, while the next is collected."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_planhat.batch.collector import Batch

_POLL = 0.2
"""Seconds between looks at whether the thread has failed."""


class Worker:
    """Processes batches in a thread: one is in flight, and at most one waits."""

    def __init__(
        self,
        process: Callable[[Batch], None],
        on_error: Callable[[], None],
        hurry: Callable[[], None],
    ) -> None:
        """Start idle.

        Args:
            process: Writes a batch, or raises.
            on_error: Called in the thread once a batch has ended with an error.
            hurry: Has the batch in flight end as soon as it can.
        """
        self._process = process
        self._on_error = on_error
        self._hurry = hurry
        self._queue: queue.Queue[Batch | None] = queue.Queue(maxsize=1)
        self._busy = threading.Event()
        self._stopping = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="planhat-writer", daemon=True)
        self._started = False

    def is_idle(self) -> bool:
        """Return whether nothing is in flight and nothing waits."""
        return not self._busy.is_set() and self._queue.empty()

    def submit(self, batch: Batch) -> None:
        """Hand a batch over; waits while one is waiting already.

        Raises:
            Exception: What an earlier batch ended with.
        """
        if not self._started:
            self._started = True
            self._thread.start()
        while True:
            self.raise_error()
            try:
                self._queue.put(batch, timeout=_POLL)
            except queue.Full:
                continue
            return

    def finish(self) -> None:
        """Wait until everything is written.

        Raises:
            Exception: What a batch ended with.
        """
        self._join()
        self.raise_error()

    def stop(self) -> None:
        """End the batch in flight after the call it is in; begin no other. Raises nothing."""
        self._stopping = True
        self._hurry()
        self._join()

    def _join(self) -> None:
        if self._started:
            self._queue.put(None)
            self._thread.join()
            self._started = False

    def raise_error(self) -> None:
        """Raise what a batch ended with, if any did."""
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        while True:
            batch = self._queue.get()
            if batch is None:
                return
            # After an error batches are taken and dropped, so that nobody waits for ever.
            if self._stopping or self._error is not None:
                continue
            self._busy.set()
            try:
                self._process(batch)
            except BaseException as error:  # noqa: BLE001 - raised where it is waited for
                self._error = error
                if not self._stopping:
                    self._on_error()
            self._busy.clear()
