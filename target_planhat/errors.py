"""What can end a run of the target, besides the errors of calls in `planhat_api.errors`."""

from __future__ import annotations

from planhat_api.errors import ConnectorError, PlanhatError


class InputError(ConnectorError):
    """What comes in is not a Singer stream, or not one that can be written; worded for users."""


class PendingError(ConnectorError):
    """The run has done what it could, and it is not known of all records what became of them."""


class RejectFileError(ConnectorError):
    """What is rejected cannot be kept."""


class OutputError(ConnectorError):
    """Nobody takes STATE."""


class RejectsError(ConnectorError):
    """The run is finished, with more rejected records than it may have."""


class WriteModeError(PlanhatError):
    """Planhat has created or updated records although write_mode says not to."""


class Terminated(BaseException):
    """SIGTERM or SIGINT came; no `except Exception` may swallow it."""

    def __init__(self, signum: int) -> None:
        """Remember which."""
        super().__init__(signum)
        self.signum = signum
