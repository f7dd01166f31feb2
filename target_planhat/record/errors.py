"""Why a value or a record cannot be sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planhat_api.redact import shown
from target_planhat.outcome import rejected

if TYPE_CHECKING:
    from collections.abc import Iterable


class ConversionError(ValueError):
    """The value is not what the property takes; the message says what it must be."""


class RejectionError(Exception):
    """The record cannot be sent."""

    def __init__(self, reason: str) -> None:
        """Reject a record.

        Args:
            reason: A sentence that names property and value, for someone who runs the CRM.
        """
        super().__init__(reason)
        self.outcome = rejected(reason)

    @classmethod
    def of_value(
        cls, name: str, column: str, value: object, why: ConversionError
    ) -> RejectionError:
        """Return the error for a value that a property does not take.

        Args:
            name: The property.
            column: The column that the value came in.
            value: The value.
            why: What it must be.
        """
        source = "" if column == name else f" (column {shown(column)})"
        return cls(f"`{name}`{source} {why}, but is {shown(value)}.")


def lacks_key(names: Iterable[str]) -> RejectionError:
    """Return the error for a record without some of its stream's key properties."""
    return RejectionError(f"It lacks its stream's key property {', '.join(sorted(names))}.")
