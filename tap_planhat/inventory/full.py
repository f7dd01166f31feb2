"""Begins and resumes full tables, full syncs and rescans, by what STATE says of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from planhat_api.dates import to_moment, to_text

if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from datetime import datetime

    Bookmark = MutableMapping[str, Any]


@dataclass(frozen=True)
class FullSync:
    """A reading of all lists of a stream, perhaps begun by an earlier run."""

    key: str | None
    """The replication key; None: it is a full table."""
    began: datetime
    rescan: bool
    """Whether all lists were read before, so that only what changed has to be emitted."""
    resumed: bool
    """Whether an earlier run has read a part."""

    @property
    def kind(self) -> str:
        """Its name in the log."""
        if self.key is None:
            return "full table"
        return "rescan" if self.rescan else "full sync"

    def begin_anew(self, bookmark: Bookmark, now: datetime) -> FullSync:
        """Return the same from its beginning, because its inventory is lost."""
        anew = FullSync(self.key, now, self.key is not None, resumed=False)
        anew.say(bookmark)
        return anew

    def say(self, bookmark: Bookmark) -> None:
        """Note in STATE that it is under way."""
        began = {"began": to_text(self.began)}
        if self.key is None:
            bookmark["full_table"] = began
        else:
            bookmark["full_sync"] = {"key": self.key, "rescan": self.rescan, **began}

    def finish(self, bookmark: Bookmark) -> None:
        """Note in STATE that all was read, and remove the progress of each list."""
        for part in parts_of(bookmark):
            part.pop("full_read_at", None)
            part.pop("reading", None)
        bookmark.pop("full_table", None)
        bookmark.pop("full_sync", None)
        if self.key is not None:
            bookmark["full_read_at"] = to_text(self.began)


def full_table(bookmark: Bookmark, now: datetime) -> FullSync:
    """Begin or resume the reading of a full table."""
    began = bookmark.get("full_table", {}).get("began")
    full = FullSync(None, to_moment(began) if began else now, rescan=False, resumed=bool(began))
    full.say(bookmark)
    return full


def full_sync(
    bookmark: Bookmark, key: str, now: datetime, *, read_before: bool, due: bool
) -> FullSync | None:
    """Begin or resume a full sync or rescan; return None if none is under way or due.

    Args:
        bookmark: The stream's.
        key: The replication key.
        now: The present moment, by Planhat's clock.
        read_before: Lists have been read before.
        due: The stream may have had changes for long enough that its key does not show.
    """
    # Left by a full table that was given up.
    bookmark.pop("full_table", None)
    under_way = bookmark.get("full_sync") or {}
    if "began" in under_way and under_way.get("key") == key:
        began = to_moment(under_way["began"])
        return FullSync(key, began, bool(under_way.get("rescan")), resumed=True)
    bookmark.pop("full_sync", None)
    if read_before and not due:
        return None
    full = FullSync(key, now, read_before, resumed=False)
    full.say(bookmark)
    return full


def parts_of(bookmark: Bookmark) -> list[Bookmark]:
    """Return a stream's bookmark, and those of its lists."""
    return [bookmark, *bookmark.get("partitions", ())]
