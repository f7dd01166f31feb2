"""Reads Singer messages from bytes."""

from __future__ import annotations

import json
import sys
from collections import Counter
from typing import IO, TYPE_CHECKING, Any

from singer_sdk.io_base import GenericSingerReader
from typing_extensions import override

from planhat_api.redact import shown
from target_planhat.errors import InputError
from target_planhat.lines import decoded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_BUFFER = 1 << 18


class Reader(GenericSingerReader[bytes]):
    """Reads messages from bytes by orjson; errors name the input line."""

    line = 0
    """Number of the line being read, from 1."""
    volume = 0
    """Bytes read."""
    message = b""
    """The line being read."""

    @property
    @override
    def default_input(self) -> IO[bytes]:
        # A larger buffer than the default's: fewer calls, and fewer changes of thread.
        return open(sys.stdin.fileno(), "rb", buffering=_BUFFER, closefd=False)

    @override
    def deserialize_json(self, line: bytes) -> Any:
        return decoded(line)

    @override
    def process_lines(
        self,
        file_input: IO[bytes] | None,
        callbacks: Mapping[str, Callable[[dict[str, Any]], None]],
    ) -> Counter[str]:
        """Call back for each message.

        Raises:
            InputError: A line is not a Singer message; the text names the line.
        """
        counts: Counter[str] = Counter()
        # Of a file opened as text the bytes: Singer is UTF-8, whatever the locale.
        for line in getattr(file_input, "buffer", file_input) or self.default_input:
            self.line += 1
            if isinstance(line, str):
                line = line.encode("utf-8", "surrogatepass")  # noqa: PLW2901
            self.message = line
            self.volume += len(line)
            try:
                message = decoded(line)
                kind = message["type"]
                callback = callbacks[kind]
            except RecursionError:
                raise InputError(f"{self.place}: it is nested too deep to be read") from None
            except (ValueError, KeyError, TypeError):
                if line.isspace():
                    continue
                text = shown(line.strip())
                raise InputError(f"{self.place}: not a Singer message: {text}") from None
            callback(message)
            counts[kind] += 1
        return counts

    def state(self) -> str:
        """Return the value of the STATE message being read, as JSON of ASCII characters alone.

        It is the tap's, and means nothing here: large integers, NaN and half characters stay as
        they are, and whatever standard output is encoded in can carry it.

        Raises:
            InputError: It is nested too deeply, or holds an integer of thousands of digits.
        """
        try:
            return json.dumps(json.loads(self.message)["value"], separators=(",", ":"))
        except (ValueError, RecursionError):
            raise InputError(f"{self.place}: STATE that cannot be passed on as it is") from None

    @property
    def place(self) -> str:
        """The line being read, as messages call it."""
        return f"input line {self.line}"
