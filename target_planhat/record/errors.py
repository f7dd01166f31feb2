"""The verdict on a value that cannot be sent."""

from __future__ import annotations


class ConversionError(ValueError):
    """The value is not what the property takes; the message says what it must be."""
