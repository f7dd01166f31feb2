"""The summary at the end of a report, and the report that `report_path` asks for."""

from __future__ import annotations

import platform
import sys
import time
from contextlib import suppress
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlsplit

from planhat_api.settings import ClientSettings
from target_planhat.errors import InputError
from target_planhat.report.changes import JsonLines, ReportFile
from target_planhat.report.page import HtmlPage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planhat_api.client import PlanhatClient
    from target_planhat.report.changes import RecordsReport

_PACKAGES = ("singer-planhat", "singer-sdk")
_SETTINGS = ("compare", "write_mode")


def open_report(path: str | None, *others: IO[Any] | int | None) -> RecordsReport | None:
    """Return the report that a path asks for; None: none.

    Args:
        path: It ends in `.html`, else it is of JSON lines.
        others: Open files that it must not be: what is read, and the reject file.

    Raises:
        InputError: It cannot be written, or is one of the others.
    """
    if not path:
        return None
    kind = HtmlPage if Path(path).suffix.lower() == ".html" else JsonLines
    file = ReportFile(path, kind.MARK)
    for other in others:
        # A source without a descriptor is not a file.
        with suppress(OSError, ValueError, AttributeError):
            descriptor = other if isinstance(other, int) else (other or sys.stdin).fileno()
            if file.is_same_as(descriptor):
                file.close()
                raise InputError("report_path is a file that is in use; choose another")
    return kind(file)


class RunSummary:
    """Collects the figures of a whole run."""

    def __init__(self, client: PlanhatClient, config: Mapping[str, Any]) -> None:
        """Begin to count the seconds."""
        self._client = client
        self._config = config
        self._began = time.monotonic()

    def at_end(self, figures: Mapping[str, Any], error: BaseException | None) -> dict[str, Any]:
        """Return the last line of a report.

        Args:
            figures: Stream -> outcome -> records.
            error: What the run ended with, None where it went well.
        """
        config = self._config
        return {
            "figures": figures,
            "dry_run": config["dry_run"],
            "error": str(error) if error is not None else "",
            "calls": dict(self._client.calls),
            "waits": {name: round(seconds, 1) for name, seconds in self._client.waited.items()},
            "settings": {name: config[name] for name in _SETTINGS},
            "host": urlsplit(ClientSettings.of(config).base_url).netloc,
            "ended": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "seconds": round(time.monotonic() - self._began),
            "versions": {
                **{name: version(name) for name in _PACKAGES},
                "Python": platform.python_version(),
            },
        }
