"""Log messages that appear once in a run, however many records or SCHEMAs cause them."""

from __future__ import annotations

import logging

logger = logging.getLogger(__name__)


class Notices:
    """Logs each notice once."""

    def __init__(self) -> None:
        """Start with nothing logged."""
        self._told: set[tuple[str, str]] = set()

    def tell(self, stream: str, subject: str, text: str, level: int = logging.WARNING) -> None:
        """Log something about a stream, unless that stream's subject was told before.

        Args:
            stream: The tap's name of the stream.
            subject: What it is about.
            text: What to say of it.
            level: How serious it is.
        """
        if (stream, subject) not in self._told:
            self._told.add((stream, subject))
            logger.log(level, "%s: %s", stream, text)
