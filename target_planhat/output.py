"""Standard output, to which STATE goes; checked before the first write to Planhat."""

from __future__ import annotations

import os
import select
import sys
from contextlib import suppress

from target_planhat.errors import OutputError


def check_output() -> None:
    """Check that standard output is open and has a reader.

    Raises:
        OutputError: Standard output is closed, or its reader has gone.
    """
    if sys.stdout is None:
        raise OutputError(_CLOSED)
    # Without a descriptor, as in tests, or on Windows: writing will tell.
    with suppress(OSError, ValueError, AttributeError):
        poll = select.poll()
        poll.register(sys.stdout.fileno(), 0)
        if poll.poll(0):
            raise OutputError(_CLOSED)


def emit(state: str) -> None:
    """Write a STATE to standard output.

    Raises:
        OutputError: Standard output is closed.
    """
    try:
        sys.stdout.write(state + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        _drop_output()
        raise OutputError(_CLOSED) from None
    except OSError as error:
        _drop_output()
        raise OutputError(f"STATE cannot be written: {error.strerror}. {_REMEDY}") from None


def _drop_output() -> None:
    """Discard what is buffered: Python would fail on it once more when it exits."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


_REMEDY = (
    "Send standard output to whoever keeps STATE, such as a file; what was written so far is sent "
    "again by the next run, which updates the same records"
)
_CLOSED = f"Standard output is closed, so that STATE is lost. {_REMEDY}"
