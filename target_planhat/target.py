"""The target: the command, its checks of the settings, and what it does with each message."""

from __future__ import annotations

import gc
import os
import signal
import sys
from functools import cached_property
from typing import IO, TYPE_CHECKING, Any, ClassVar, NoReturn

import click
from singer_sdk.exceptions import (
    ConfigValidationError,
    RecordsWithoutSchemaException,
    SingerSDKError,
)
from singer_sdk.helpers.capabilities import (
    PluginCapabilities,
    TargetCapabilities,
)
from singer_sdk.target_base import Target
from typing_extensions import override

from planhat_api.calls.memory import give_back_large_blocks
from planhat_api.client import ClientSettings, PlanhatClient
from planhat_api.config import check_environment, given, hide_token, invalid, reading_files
from planhat_api.errors import ConnectorError, ExitCode
from planhat_api.logs import protected
from target_planhat.config import SETTINGS
from target_planhat.errors import InputError, RejectsError, Terminated, WriteModeError
from target_planhat.reader import Reader
from target_planhat.run import Run
from target_planhat.sdk import MessageTarget
from target_planhat.streams import Streams

if TYPE_CHECKING:
    from singer_sdk.helpers.capabilities import (
        CapabilitiesEnum,
    )

_GARBAGE = 200_000
"""Objects allocated before Python collects garbage: more than the batches in memory have, since
these are not garbage."""
_TURN = 0.1
"""Seconds for which one thread may keep the other waiting, 20 times Python's default. Each time
they take turns, one finds the records in the caches of the other's processor."""
_DRY_RUN_PATIENCE = 2.0
"""Seconds in which a dry run tries to reach Planhat."""
_VOLUME = 4_000_000
"""Bytes of input that may wait, for each megabyte of max_body_mb."""


class TargetPlanhat(MessageTarget):
    """Writes campaigns, NPS, conversations and tasks to Planhat, by bulk upsert."""

    name = "target-planhat"
    package_name = "singer-planhat"
    config_jsonschema: ClassVar[dict[str, Any]] = SETTINGS
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.STRUCTURED_LOGGING,
        TargetCapabilities.HARD_DELETE,
        TargetCapabilities.VALIDATE_RECORDS,
    ]
    message_reader_class = Reader

    def __init__(
        self, *, config: Any = None, parse_env_config: bool = False, **kwargs: Any
    ) -> None:
        """Check the settings; touch neither network nor files.

        Raises:
            SettingsError: A setting is unknown, missing or not what it must be.
        """
        self.append_builtin_config(self.config_jsonschema)
        known = given(config or {}, self.config_jsonschema)
        try:
            super().__init__(config=known, parse_env_config=parse_env_config, **kwargs)
        except ConfigValidationError as error:
            raise invalid(error.errors, "TARGET_PLANHAT_", os.environ) from None
        finally:
            if parse_env_config:
                check_environment("TARGET_PLANHAT_", os.environ, self.config_jsonschema)
        settings = self.config
        # A dry run has nothing to lose by ending at once where it cannot look anything up.
        patience = _DRY_RUN_PATIENCE if settings["dry_run"] else None
        self._client = PlanhatClient(ClientSettings.of(settings), unreachable_timeout=patience)
        self._input: IO[str] | None = None
        self._replay: str | None = None
        # Bytes of input after which an unfilled batch is sent, to bound memory.
        self._volume_limit = settings["max_body_mb"] * _VOLUME
        self._volume = 0
        self._ended = False

    @classmethod
    @override
    def append_builtin_config(cls, config_jsonschema: dict[str, Any]) -> None:
        # Without what Target adds: its settings stand in SETTINGS, but for add_record_metadata and
        # load_method, which would do nothing here.
        super(Target, cls).append_builtin_config(config_jsonschema)

    @classmethod
    @override
    def get_singer_command(cls) -> click.Command:
        command = super().get_singer_command()
        replay = click.Option(
            ["--replay"],
            metavar="FILE",
            help="Send a reject file again, and leave in it what is still rejected.",
        )
        command.params.append(replay)
        return command

    @classmethod
    @override
    def invoke(  # type: ignore[override]
        cls,
        *,
        about: bool = False,
        about_format: str | None = None,
        config: Any = None,
        file_input: IO[str] | None = None,
        replay: str | None = None,
    ) -> None:
        if about:
            super().invoke(about=about, about_format=about_format)
        cls.print_version(print_fn=cls.logger.info)
        # A batch of records is thousands of objects that live for seconds and hold no cycles.
        gc.freeze()
        gc.set_threshold(_GARBAGE)
        sys.setswitchinterval(_TURN)
        give_back_large_blocks()
        cls(config=config.config, parse_env_config=config.parse_env).run(file_input, replay)

    @classmethod
    @override
    def cb_config(cls, *args: Any, **kwargs: Any) -> Any:
        with reading_files():
            config = super().cb_config(*args, **kwargs)
        hide_token(config.config, "TARGET_PLANHAT_", os.environ)
        return config

    def run(self, file_input: IO[str] | None = None, replay: str | None = None) -> None:
        """Batch everything that comes in.

        Args:
            file_input: Where from; None: standard input.
            replay: A reject file to be read instead.

        Raises:
            PendingError: Everything was read, but it is not known what became of all of it.
            RejectsError: Everything was read, but more was rejected than may be.
            InputError: A file of the settings cannot be used, or what comes in is not a Singer
                stream; what came before it is written.
            PlanhatError: The API is down, or does not accept the token.
            Terminated: A signal came; the batch in flight is written.
        """
        self._input, self._replay = file_input, replay
        if file_input is None and replay is None and sys.stdin is None:
            raise InputError("Standard input is closed: there is nothing to read from")
        try:
            # Opens files: what cannot be used is told before anything is read.
            run = self._run
            try:
                self.listen(run.source or file_input)
            except (InputError, SingerSDKError):
                run.finish()
                raise
        finally:
            self._end(sys.exc_info()[1])

    @override
    def process_endofpipe(self) -> None:
        self._run.finish()
        self._run.end_of_input()
        self._end()
        self._run.check_outcomes()

    @override
    def on_schema(self, message: dict[str, Any]) -> None:
        try:
            self._streams.announce(message, self._reader.message)
        except InputError as error:
            self._fail(str(error))

    @override
    def on_record(self, message: dict[str, Any]) -> None:
        try:
            streams = self._streams.current[message["stream"]]
            record = message["record"]
        except (KeyError, TypeError):
            self._reject_message(message)
        if not isinstance(record, dict):
            self._fail("RECORD whose record is not an object")
        reader = self._reader
        for stream in streams:
            self._run.collector.add(stream, record, reader.message, reader.line)
        if reader.volume - self._volume > self._volume_limit:
            self._volume = reader.volume
            self._run.collector.flush()

    @override
    def on_state(self, message: dict[str, Any]) -> None:
        if "value" not in message:
            self._fail("STATE without a value")
        self._run.collector.add_state(self._reader.state())

    @override
    def on_activate_version(self, message: dict[str, Any]) -> None:
        self.logger.debug("ACTIVATE_VERSION has no meaning in Planhat and is passed over")

    @override
    def on_batch(self, message: dict[str, Any]) -> None:
        self._fail("BATCH messages are not supported; switch batch_config off in the tap")

    @override
    def on_signal(self, signum: int) -> None:
        if "_run" in self.__dict__:
            # The signal may come from `wake`, after an error in the other thread.
            self._run.raise_error()
        # A second signal ends the process at once.
        signal.signal(signum, signal.SIG_DFL)
        raise Terminated(signum)

    @cached_property
    def _reader(self) -> Reader:
        assert isinstance(self.message_reader, Reader)  # noqa: S101
        return self.message_reader

    @cached_property
    def _streams(self) -> Streams:
        return Streams(self.mapper, self.config)

    @cached_property
    def _run(self) -> Run:
        return Run(self._client, self.config, self._input, self.wake, self._replay)

    def _reject_message(self, message: dict[str, Any]) -> NoReturn:
        stream = message.get("stream")
        if not isinstance(stream, str) or not stream or stream in self._streams:
            self._fail("RECORD without stream or record")
        raise RecordsWithoutSchemaException(
            f"{self._reader.place}: RECORD of stream {stream} before its SCHEMA"
        )

    def _fail(self, text: str) -> NoReturn:
        raise InputError(f"{self._reader.place}: {text}")

    def _end(self, error: BaseException | None = None) -> None:
        """Stop, and report what became of the records; does so once."""
        if not self._ended:
            self._ended = True
            if "_run" in self.__dict__:
                self._run.close(self._streams.tallies, error)
            self._client.close()


def main() -> None:
    """Run the command: exit codes 0, 1, 3 and 128 + signal, and one line for what went wrong."""
    try:
        command = protected(lambda: TargetPlanhat.cli)
        command()
    except (RejectsError, WriteModeError) as error:
        _exit(ExitCode.REJECTS, str(error))
    except Terminated as stop:
        number = stop.signum
        _exit(
            ExitCode.SIGNALLED + number,
            f"Ended by {signal.Signals(number).name}; run again to go on",
        )
    except (ConnectorError, SingerSDKError, OSError) as error:
        _exit(ExitCode.FAILED, str(error))


def _exit(code: int, text: str) -> NoReturn:
    TargetPlanhat.logger.error("%s", text)
    sys.exit(code)


if __name__ == "__main__":
    main()
