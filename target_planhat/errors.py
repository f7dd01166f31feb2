"""What can end a run of the target, besides the errors of calls in `planhat_api.errors`."""

from __future__ import annotations

from planhat_api.errors import ConnectorError, PlanhatError


class InputError(ConnectorError):
    """The input is not a Singer stream, or not one that can be written, or a file is unusable."""


class PendingError(ConnectorError):
    """The run has ended, and the outcome of some records is not known."""


class RejectFileError(ConnectorError):
    """The reject file cannot be written."""


class OutputError(ConnectorError):
    """Standard output, to which STATE goes, is closed."""


class RejectsError(ConnectorError):
    """The run has ended with more rejected records than max_rejects allows."""


class WriteModeError(PlanhatError):
    """Planhat has created or updated records although write_mode says not to."""


class Terminated(BaseException):
    """SIGTERM or SIGINT came; no `except Exception` may swallow it."""

    def __init__(self, signum: int) -> None:
        """Keep the number of the signal."""
        super().__init__(signum)
        self.signum = signum
