"""Ends calls that take too long or are no longer wanted, whatever they are waiting for.

A socket's own time limit holds for each piece that comes in, so that a server that sends a byte
now and then can keep a call waiting for ever, in the headers as well as in the body.
"""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_current = threading.local()


class Call:
    """A call under way. Its own thread makes and closes it, another one may end it."""

    def __init__(self, timeout: float) -> None:
        """Begin, with so many seconds to the end."""
        self.began = time.monotonic()
        self.deadline = self.began + timeout
        self.ended = False
        """Whether it was ended from outside: the answer is not complete then."""
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()
        self._turn = threading.Event()
        """It was ended, or what is waited for is there."""

    def connected(self, connect: Callable[[], socket.socket]) -> socket.socket:
        """Return what `connect` makes, in a thread of its own: a look-up of a name cannot be ended.

        Raises:
            TimeoutError: The call was ended before; what comes of it later is closed.
            Exception: What `connect` raises.
        """
        made: list[socket.socket | BaseException] = []

        def work() -> None:
            try:
                result: socket.socket | BaseException = connect()
            except BaseException as error:  # noqa: BLE001 - raised where it is waited for
                result = error
            with self._lock:
                if not self.ended:
                    made.append(result)
                elif isinstance(result, socket.socket):
                    result.close()
            self._turn.set()

        self._turn.clear()
        threading.Thread(target=work, name="planhat-connecting", daemon=True).start()
        if not self.ended:
            self._turn.wait(max(0.0, self.deadline - time.monotonic()))
        if not made:
            # After this nothing comes any more.
            self.end()
        if not made:
            raise TimeoutError("it was not found in time")
        result = made.pop()
        if isinstance(result, BaseException):
            raise result
        return result

    def use(self, descriptor: int) -> None:
        """Register the connection that the call uses."""
        with self._lock:
            self._close()
            # A duplicate: TLS takes over the original socket, and responses outlive connections.
            self._socket = socket.socket(fileno=socket.dup(descriptor))
            if self.ended:
                self._shut()

    def end(self) -> None:
        """End it: whatever waits for its connection goes on at once."""
        with self._lock:
            self.ended = True
            self._shut()
        self._turn.set()

    def close(self) -> None:
        """Let go of the connection."""
        with self._lock:
            self._close()

    def _shut(self) -> None:
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def _close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def current_call() -> Call | None:
    """Return the call that this thread is making."""
    return getattr(_current, "call", None)


class Deadlines:
    """Ends each call `timeout` seconds after its beginning, and all of them on demand."""

    def __init__(self, timeout: float) -> None:
        """Start nothing yet: the first call does."""
        self._timeout = timeout
        self._calls: set[Call] = set()
        self._lock = threading.Lock()
        self._look = threading.Event()
        self._thread: threading.Thread | None = None

    @contextmanager
    def call(self) -> Iterator[Call]:
        """Treat what this thread sends as one call."""
        call = _current.call = Call(self._timeout)
        with self._lock:
            self._calls.add(call)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._watch, name="planhat-deadlines", daemon=True
                )
                self._thread.start()
        try:
            yield call
        finally:
            _current.call = None
            with self._lock:
                self._calls.discard(call)
            call.close()

    def end_within(self, seconds: float) -> None:
        """Give the calls that are under way no more than so many seconds from now."""
        latest = time.monotonic() + seconds
        with self._lock:
            for call in self._calls:
                call.deadline = min(call.deadline, latest)
        self._look.set()

    def close(self) -> None:
        """End the thread that watches."""
        with self._lock:
            thread, self._thread = self._thread, None
        self._look.set()
        if thread is not None:
            thread.join()

    def _watch(self) -> None:
        while self._thread is threading.current_thread():
            # A call that begins meanwhile has at least as long, so this thread need not be woken.
            self._look.wait(self._end_overdue())
            self._look.clear()

    def _end_overdue(self) -> float:
        """End what is overdue, and return the seconds until something can be."""
        now = time.monotonic()
        with self._lock:
            running = [call for call in self._calls if not call.ended]
        for call in running:
            if call.deadline <= now:
                call.end()
        left = [call.deadline - now for call in running if not call.ended]
        return min(left, default=self._timeout)
