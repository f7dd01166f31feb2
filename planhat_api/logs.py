"""Makes every line of the log safe to show: no token, no escapes, and one line for each message.

Names of properties, columns and streams, keys of objects and the words of servers come from
outside, and the log is read in terminals and by programs that take each line for a message.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, TypeVar

from typing_extensions import override

from planhat_api.errors import SettingsError
from planhat_api.redact import FRAGMENT, Redactor, shown

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST_MESSAGE = 10_000
"""Characters of a message that the log repeats."""

_LINES = {"exc_text", "stack_info"}
"""Texts of a record that have several lines."""

T = TypeVar("T")
_redactors: dict[str, Redactor] = {}


def hide(token: str) -> None:
    """Keep a token out of every log line from now on.

    A token that is very short, such as a sandbox's, is left in: it may be any word.
    """
    if len(token) >= FRAGMENT:
        _redactors.setdefault(token, Redactor(token))


def protected(set_up: Callable[[], T]) -> T:
    """Return what a function does that sets the log up, and make the log safe.

    Args:
        set_up: The Singer SDK's, which goes by the environment.

    Raises:
        SettingsError: The environment asks for something that cannot be.
    """
    try:
        result = set_up()
    except Exception as error:  # noqa: BLE001 - a user's file may fail in any way
        raise SettingsError(
            f"The log cannot be set up: {shown(str(error))}. LOGLEVEL, also behind TAP_PLANHAT_ or "
            "TARGET_PLANHAT_, can be DEBUG, INFO, WARNING, ERROR or CRITICAL; "
            "SINGER_SDK_LOG_CONFIG names a file of Python's logging configuration"
        ) from None
    protect_logs()
    return result


def protect_logs() -> None:
    """Make every existing handler write safe lines only, whatever its format."""
    loggers = [logging.root, *logging.root.manager.loggerDict.values()]
    for each in loggers:
        for handler in getattr(each, "handlers", ()):
            if not isinstance(handler.formatter, SafeFormatter):
                handler.setFormatter(SafeFormatter(handler.formatter))


class SafeFormatter(logging.Formatter):
    """Formats as another formatter does, safely."""

    def __init__(self, inner: logging.Formatter | None) -> None:
        """Take the other one; None: Python's own."""
        super().__init__()
        self._inner = inner or logging.Formatter()

    @override
    def format(self, record: logging.LogRecord) -> str:
        first, *more = _without_token(self._inner.format(_cleaned(record))).split("\n")
        # Only a traceback has more: set in, so that no line of it looks like a message.
        return "\n    ".join((first, *map(_printable, more)))


def _cleaned(record: logging.LogRecord) -> logging.LogRecord:
    """Return a copy of a record whose texts are printable, each on one line."""
    copy = logging.makeLogRecord(
        {
            name: _printable(value) if isinstance(value, str) and name not in _LINES else value
            for name, value in record.__dict__.items()
        }
    )
    if _is_metric(record.args):
        return copy
    if record.name.startswith("urllib3"):
        # Its warnings of malformed headers come with a traceback that says no more than they do.
        copy.exc_info = copy.exc_text = None
    try:
        message = record.getMessage()
    except (TypeError, ValueError, KeyError):
        message = f"{record.msg} {record.args!r}"
    copy.msg, copy.args = _printable(message)[:LONGEST_MESSAGE], None
    return copy


def _is_metric(args: Any) -> bool:
    """Return whether a record is a metric of the Singer SDK, whose formatter takes it apart."""
    return isinstance(args, tuple) and len(args) == 1 and hasattr(args[0], "metric_type")


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else " " for char in text)


def _without_token(text: str) -> str:
    for redactor in list(_redactors.values()):
        text = redactor.remove(text)
    return text
