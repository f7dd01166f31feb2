"""The command `planhat-check`."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from dotenv import dotenv_values, find_dotenv

from planhat_api.errors import ConnectorError, ExitCode
from planhat_api.logs import protect_logs
from planhat_check.caller import MOST_READS, Caller
from planhat_check.config import read_settings
from planhat_check.finding import Finding, Status
from planhat_check.report import as_json, as_table
from planhat_check.tenant import ACCESS, look
from planhat_check.write import NAME, WriteCheck

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from planhat_api.settings import ClientSettings

_CLEAR = "\r\x1b[K"
"""Empties the terminal's line."""

logger = logging.getLogger("planhat-check")


def main() -> None:
    """Run the command; end with 0, or with 1 where anything failed."""
    options = _parser().parse_args()
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.WARNING)
    protect_logs()
    signal.signal(signal.SIGTERM, _end)
    variables = {
        name: value or "" for name, value in dotenv_values(find_dotenv(usecwd=True)).items()
    }
    try:
        settings = read_settings(options.config, {**variables, **os.environ})
        with _live() as tell:
            findings = check(settings, options.write, tell)
    except ConnectorError as error:
        logger.error("%s", error)  # noqa: TRY400 - a line for the user
        sys.exit(ExitCode.FAILED)
    except KeyboardInterrupt:
        sys.exit(ExitCode.SIGNALLED + signal.SIGINT)
    sys.stdout.write((as_json if options.json else as_table)(findings) + "\n")
    sys.exit(ExitCode.FAILED if any(each.status is Status.FAIL for each in findings) else 0)


def check(
    settings: ClientSettings,
    company_id: str | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> list[Finding]:
    """Look at a tenant, and at how it takes writes where a company is given.

    Args:
        settings: How to reach it.
        company_id: The company for which a task is made and deleted; None: nothing is written.
        tell: Shows how far the check has come.
    """
    with closing(Caller(settings, tell=tell)) as caller:
        findings = list(
            look(
                caller,
                requests_per_minute=settings.requests_per_minute,
                now=lambda: datetime.now(timezone.utc),
            )
        )
        if company_id is not None:
            if any(each.check == ACCESS and each.status is Status.OK for each in findings):
                findings += WriteCheck(caller, company_id).run()
            else:
                findings.append(Finding(NAME, "create", Status.UNKNOWN, f"not tried: see {ACCESS}"))
    # What names and servers say may hold anything.
    hide = caller.hide
    return [replace(each, seen=hide(each.seen), follows=hide(each.follows)) for each in findings]


@contextmanager
def _live() -> Iterator[Callable[[str], None]]:
    """Yield what shows progress in one line of a terminal; the line is removed at the end."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return

    def show(text: str) -> None:
        sys.stderr.write(_CLEAR + text)
        sys.stderr.flush()

    try:
        yield show
    finally:
        show("")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="planhat-check",
        description=(
            "Does this Planhat tenant behave as tap-planhat and target-planhat expect? Reads with "
            f"at most {MOST_READS} calls, and says what it saw and what follows. Ends with 0, or "
            "with 1 where anything failed."
        ),
    )
    parser.add_argument(
        "--config",
        action="append",
        default=[],
        metavar="FILE|ENV",
        help="settings of the tap or the target, as these take them; may be given several times",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument(
        "--write",
        metavar="COMPANY_ID",
        help="also make a task for this company, write to it, and delete it again",
    )
    return parser


def _end(signum: int, _frame: object) -> None:
    # As an exception, so that what was written is deleted first.
    sys.exit(ExitCode.SIGNALLED + signum)


if __name__ == "__main__":
    main()
