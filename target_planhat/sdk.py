"""The one place that knows the Singer SDK's private names.

Everything else of this package overrides and calls only what is public. `test_sdk.py` fails when
a release of the SDK no longer has these.
"""

from __future__ import annotations

import abc
import signal
import threading
from typing import TYPE_CHECKING, Any

from singer_sdk.target_base import Target
from typing_extensions import override

if TYPE_CHECKING:
    from types import FrameType

    from singer_sdk.mapper import CustomStreamMap


def evaluate(
    stream_map: CustomStreamMap, name: str, expression: str, record: dict[str, Any]
) -> Any:
    """Return what one expression of a stream map makes of a record.

    Args:
        stream_map: Of the record's stream.
        name: The property that the expression is for.
        expression: The expression.
        record: The record.
    """
    # Without a parsed expression the evaluator parses it itself.
    return stream_map._eval(expression, None, record, name)  # type: ignore[arg-type]  # noqa: SLF001


class MessageTarget(Target):
    """A target that handles messages itself, without the SDK's sinks and their draining."""

    @abc.abstractmethod
    def on_schema(self, message: dict[str, Any]) -> None:
        """Handle a SCHEMA message."""

    @abc.abstractmethod
    def on_record(self, message: dict[str, Any]) -> None:
        """Handle a RECORD message."""

    @abc.abstractmethod
    def on_state(self, message: dict[str, Any]) -> None:
        """Handle a STATE message."""

    @abc.abstractmethod
    def on_activate_version(self, message: dict[str, Any]) -> None:
        """Handle an ACTIVATE_VERSION message."""

    @abc.abstractmethod
    def on_batch(self, message: dict[str, Any]) -> None:
        """Handle a BATCH message."""

    @abc.abstractmethod
    def on_signal(self, signum: int) -> None:
        """Handle SIGTERM or SIGINT, between any two steps of the main thread."""

    def wake(self) -> None:
        """Have `on_signal` called in the main thread, which may be waiting for input for hours."""
        # Not on Windows, or where the caller has signal handlers of its own: there the error
        # shows with the next line.
        ours = signal.getsignal(signal.SIGTERM) == self._handle_termination
        main = threading.main_thread().ident
        if ours and main is not None and hasattr(signal, "pthread_kill"):
            signal.pthread_kill(main, signal.SIGTERM)

    @override
    def _process_schema_message(self, message_dict: dict[str, Any]) -> None:
        self.on_schema(message_dict)

    @override
    def _process_record_message(self, message_dict: dict[str, Any]) -> None:
        self.on_record(message_dict)

    @override
    def _process_state_message(self, message_dict: dict[str, Any]) -> None:
        self.on_state(message_dict)

    @override
    def _process_activate_version_message(self, message_dict: dict[str, Any]) -> None:
        self.on_activate_version(message_dict)

    @override
    def _process_batch_message(self, message_dict: dict[str, Any]) -> None:
        self.on_batch(message_dict)

    @override
    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        self.on_signal(signum)
