"""Makes text from outside safe to show: short, on one line, and without the token."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Final
from urllib.parse import quote
from uuid import UUID

SHOWN: Final = 300
"""Characters of a server's own words that a message repeats."""
QUOTED: Final = 60
"""Characters of a value that a message quotes."""
FRAGMENT: Final = 8
"""A part of the token with so many characters is removed like the token."""
# Unlike str.lower, leaves every character in its place.
_LOWER: Final = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}


class Redactor:
    """Takes a secret out of texts, whole or cut short, plain, URL-encoded or escaped.

    A secret shorter than that, such as a sandbox's, is removed only as a whole word: it protects
    nothing, and may be part of any word.
    """

    def __init__(self, secret: str) -> None:
        """Prepare for a secret, which must not be empty."""
        self._size = min(FRAGMENT, len(secret))
        forms = (secret, quote(secret, safe=""), secret.replace("/", "\\/"))
        self._word: re.Pattern[str] | None = None
        if self._size < FRAGMENT:
            any_form = "|".join(map(re.escape, sorted(forms, key=len, reverse=True)))
            self._word = re.compile(rf"(?<!\w)(?:{any_form})(?!\w)", re.IGNORECASE)
        self._fragments = {
            form.translate(_LOWER)[start : start + self._size]
            for form in forms
            for start in range(len(form) - self._size + 1)
        }

    def __call__(self, text: str) -> str:
        """Return a text without the secret, on one line, and not much longer than `SHOWN`."""
        return shorten(self.remove(text))

    def remove(self, text: str) -> str:
        """Return a text without the secret, of whatever length."""
        if self._word is not None:
            return self._word.sub("***", text)
        lowered = text.translate(_LOWER)
        kept: list[str] = []
        clear_from = 0
        """Everything before it is part of the secret or has been kept already."""
        for start in range(len(text) - self._size + 1):
            if lowered[start : start + self._size] in self._fragments:
                if start > clear_from or not kept:
                    kept += text[clear_from:start], "***"
                clear_from = start + self._size
        return "".join((*kept, text[clear_from:]))


def shorten(text: str) -> str:
    """Return a text on one line, without control characters, cut where it gets long."""
    words = "".join(char if char.isprintable() else " " for char in text).split()
    line = " ".join(words)
    return line if len(line) <= SHOWN else f"{line[:SHOWN]}…"


def shown(value: object) -> str:
    """Return a value as a message quotes it: short, printable, and never failing."""
    if isinstance(value, bytes):
        value = value[: QUOTED + 1].decode("utf-8", "replace")
    if isinstance(value, str):
        return repr(value[:QUOTED]) + ("…" if len(value) > QUOTED else "")
    if isinstance(value, int) and not -(10**QUOTED) < value < 10**QUOTED:
        return f"a number of more than {QUOTED} digits"
    if isinstance(value, (bool, int, float, Decimal, date, UUID)):
        return str(value)[:QUOTED]
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, (list, tuple)):
        return "a list"
    return f"of type {type(value).__name__}"
