"""Makes the C library return the memory of large blocks, such as pages, to the system."""

from __future__ import annotations

import ctypes

LARGE = 1 << 20
"""Bytes from which on a block is allocated from the system, and returned to it, on its own."""
_M_MMAP_THRESHOLD = -3


def give_back_large_blocks() -> bool:
    """Keep large blocks out of the heap; return whether this C library can be told to.

    The GNU C library does so at first, but takes ever larger ones into the heap once they have
    been freed. There the gaps between them stay the process's: 80 MB of a long reading's 160.
    """
    try:
        return bool(ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, LARGE))
    except (AttributeError, OSError, TypeError):
        # Another C library, which does this by itself, or Windows, where there is no CDLL(None).
        return False
