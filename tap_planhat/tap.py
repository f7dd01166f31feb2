"""The tap: its settings, its streams and the command."""

from __future__ import annotations

import gc
import io
import os
import sys
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk.exceptions import ConfigValidationError, SingerSDKError
from singer_sdk.helpers.capabilities import PluginCapabilities, TapCapabilities
from typing_extensions import override

from planhat_api.calls.memory import give_back_large_blocks
from planhat_api.client import PlanhatClient
from planhat_api.config import check_environment, given, hide_token, invalid, reading_files
from planhat_api.custom_fields import custom_field_schemas
from planhat_api.dates import instant
from planhat_api.errors import ConnectorError, ExitCode, SettingsError
from planhat_api.logs import protected
from planhat_api.redact import shown
from planhat_api.settings import ClientSettings
from planhat_api.stream_maps import lost_keys_fault
from tap_planhat.catalog import understood, warn_if_nothing_is_selected
from tap_planhat.config import SETTINGS
from tap_planhat.inputs import json_text
from tap_planhat.inventory.stream import DeletionsStream
from tap_planhat.sdk import BatchTap, StreamError, leave
from tap_planhat.spec import STREAMS
from tap_planhat.streams import PlanhatStream
from tap_planhat.writer import StdoutError, map_output_errors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from singer_sdk import Stream
    from singer_sdk.helpers.capabilities import CapabilitiesEnum


class TapPlanhat(BatchTap):
    """Reads campaigns, NPS, conversations and tasks from Planhat, completely and incrementally."""

    name = "tap-planhat"
    package_name = "singer-planhat"
    config_jsonschema: ClassVar[dict[str, Any]] = SETTINGS
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        TapCapabilities.CATALOG,
        TapCapabilities.STATE,
        TapCapabilities.DISCOVER,
        TapCapabilities.ACTIVATE_VERSION,
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]

    def __init__(
        self,
        *,
        config: dict[str, Any] | None = None,
        catalog: Any = None,
        parse_env_config: bool = False,
        **kwargs: Any,
    ) -> None:
        """Check the settings; call nothing yet.

        Raises:
            SettingsError: A setting is unknown, missing or not what it must be.
        """
        self.append_builtin_config(self.config_jsonschema)
        settings = given(config or {}, self.config_jsonschema)
        try:
            super().__init__(
                config=settings,
                catalog=understood(catalog) if isinstance(catalog, dict) else catalog,
                parse_env_config=parse_env_config,
                **kwargs,
            )
        except ConfigValidationError as error:
            raise invalid(error.errors, "TAP_PLANHAT_", os.environ) from None
        finally:
            if parse_env_config:
                check_environment("TAP_PLANHAT_", os.environ, self.config_jsonschema)
        if self.input_catalog is not None:
            warn_if_nothing_is_selected(self.input_catalog)
        if "api_token" in self.config:  # Without, one may still discover.
            _ = self.client
        start_date = self.config.get("start_date")
        if start_date and not instant(start_date):
            raise SettingsError(
                f"start_date {shown(start_date)} is not a date; write it like 2024-01-31T00:00:00Z"
            )

    @override
    def setup_mapper(self) -> None:
        stream_maps = self.config.get("stream_maps") or {}
        for entry in self.catalog.streams:
            if fault := lost_keys_fault(
                stream_maps, entry.tap_stream_id, entry.key_properties or ()
            ):
                raise SettingsError(fault)
        super().setup_mapper()

    @cached_property
    def client(self) -> PlanhatClient:
        """The connection all streams share.

        Raises:
            SettingsError: The token, region or URL cannot be used.
        """
        return PlanhatClient(
            ClientSettings.of(self.config), connections=self.config["parallel_requests"] + 1
        )

    @override
    def discover_streams(self) -> Sequence[Stream]:
        custom: Mapping[str, dict[str, Any]] = {}
        # With a catalog, its types stay in use.
        if self.config["custom_fields"] == "typed" and self.input_catalog is None:
            resources = [spec.resource for spec in STREAMS.values()]
            custom = custom_field_schemas(self.client, resources)
        streams = [
            PlanhatStream(self, spec, lambda: self.client, custom.get(name, {}))
            for name, spec in STREAMS.items()
        ]
        return [*streams, DeletionsStream(self)]

    @override
    def run_discovery(self) -> str:
        with map_output_errors():
            return super().run_discovery()

    @classmethod
    @override
    def print_about(cls, output_format: str | None = None) -> None:
        with map_output_errors():
            super().print_about(output_format)

    @classmethod
    @override
    def cb_config(cls, *args: Any, **kwargs: Any) -> Any:
        with reading_files():
            config = super().cb_config(*args, **kwargs)
        hide_token(config.config, "TAP_PLANHAT_", os.environ)
        return config

    @classmethod
    @override
    def invoke(cls, **options: Any) -> None:
        for name in ("catalog", "state"):
            if (file := options.get(name)) is not None:
                options[name] = io.StringIO(json_text(name, file))
        super().invoke(**options)


def main() -> None:
    """Run the tap; end with 0, or with 1 and one line that says what to do."""
    give_back_large_blocks()
    try:
        try:
            command = protected(lambda: TapPlanhat.cli)
            command()
        finally:
            # Python looks for garbage as it ends, in all that was imported too: 0.1 s for nothing.
            gc.freeze()
            # What was printed, such as a catalog; at the interpreter's end it would fail unworded.
            with map_output_errors():
                sys.stdout.flush()
    except (ConnectorError, SingerSDKError, StreamError, StdoutError, OSError) as error:
        TapPlanhat.logger.error("%s", error)
    # Python would wait for the page requests under way, and for their retries: minutes.
    leave(ExitCode.FAILED)
