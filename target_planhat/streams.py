"""The streams that a tap announces: each SCHEMA message to the streams that its records go to.

A stream map may send a stream to another resource, leave it out, or make several of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from singer_sdk.exceptions import MapExpressionError, StreamMapConfigError
from singer_sdk.mapper import RemoveRecordTransform, SameRecordTransform

from planhat_api.resources import RESOURCES
from planhat_api.stream_maps import definitions, lost_keys_fault
from target_planhat.config import RecordSettings
from target_planhat.errors import InputError
from target_planhat.record.maps import RecordMap
from target_planhat.record.notices import Notices
from target_planhat.record.schemas import SchemaError
from target_planhat.record.stream import IncomingStream, Tally, resource_for
from target_planhat.source import Source

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from singer_sdk.mapper import PluginMapper, StreamMap

    from planhat_api.resources import Resource

SCHEMAS_KEPT = 64
"""SCHEMA messages whose streams are kept: some taps alternate between a few with every record."""


class Streams:
    """The streams of a run."""

    def __init__(self, mapper: PluginMapper, config: Mapping[str, Any]) -> None:
        """Start without streams.

        Args:
            mapper: Makes the Singer SDK's stream maps.
            config: The target's settings.
        """
        self._mapper = mapper
        self._stream_maps = config.get("stream_maps") or {}
        self._skips_unknown = config["unknown_streams"] == "skip"
        self._settings = RecordSettings.of(config)
        self._notices = Notices()
        self._tallies: dict[str, Tally] = {}
        self.current: dict[str, list[IncomingStream]] = {}
        """Stream, as the tap calls it -> where its records go."""
        # SCHEMA message -> its streams; the one used last at the end.
        self._announced: dict[bytes, list[IncomingStream]] = {}

    @property
    def tallies(self) -> Iterable[Tally]:
        """The counts of records read, by stream."""
        return self._tallies.values()

    def __contains__(self, name: str) -> bool:
        """Return whether the tap has announced a stream."""
        return name in self.current

    def announce(self, message: dict[str, Any], line: bytes) -> None:
        """Handle a SCHEMA message: it applies to the records behind it.

        Args:
            message: The message.
            line: The same, as it came.

        Raises:
            InputError: The message is not valid, or the stream's map does not fit it.
        """
        streams = self._announced.pop(line, None) or self._opened(message, line)
        self._announced[line] = streams
        self.current[message["stream"]] = streams
        if len(self._announced) > SCHEMAS_KEPT:
            del self._announced[next(iter(self._announced))]

    def _opened(self, message: dict[str, Any], line: bytes) -> list[IncomingStream]:
        name, schema, keys = _parts(message)
        entries = definitions(self._stream_maps, name)
        if fault := lost_keys_fault(self._stream_maps, name, keys):
            raise InputError(fault)
        try:
            self._mapper.register_raw_stream_schema(name, schema, keys)
        except (MapExpressionError, StreamMapConfigError) as error:
            raise InputError(f"stream_maps do not fit stream {name}: {error}") from None
        except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
            # The SDK does not check schemas before it reads them.
            raise InputError(
                f"SCHEMA of stream {name} that cannot be understood ({error!r})"
            ) from None
        maps = zip(self._mapper.stream_maps[name], entries, strict=True)
        try:
            return [
                self._stream(schema, each, entry, Source(name if number == 0 else entry[0], line))
                for number, (each, entry) in enumerate(maps)
            ]
        except SchemaError as error:
            raise InputError(f"SCHEMA of stream {name} is not a JSON Schema: {error}") from None

    def _stream(
        self,
        schema: Mapping[str, Any],
        stream_map: StreamMap,
        entry: tuple[str, Mapping[str, Any]],
        source: Source,
    ) -> IncomingStream:
        resource = self._resource(stream_map)
        identical = (
            isinstance(stream_map, SameRecordTransform) and not stream_map.flattening_enabled
        )
        record_map = None
        if resource is not None and not identical:
            columns = schema["properties"]
            record_map = RecordMap(stream_map, *entry, columns=columns, keyables=resource.keyables)
        return IncomingStream(
            self._tallies.setdefault(source.stream, Tally(source.stream)),
            source,
            resource,
            schema=stream_map.transformed_schema,
            key_properties=stream_map.transformed_key_properties or (),
            record_map=record_map,
            settings=self._settings,
            notices=self._notices,
        )

    def _resource(self, stream_map: StreamMap) -> Resource | None:
        """Return where a stream goes; None: nowhere."""
        if isinstance(stream_map, RemoveRecordTransform):
            return None
        name = stream_map.stream_alias
        resource = resource_for(name)
        if resource is None and not self._skips_unknown:
            raise InputError(
                f"Stream {name} is not one of {', '.join(RESOURCES)}: give it one of these names "
                "with stream_maps and __alias__, or set unknown_streams to skip"
            )
        return resource


def _parts(message: Mapping[str, Any]) -> tuple[str, dict[str, Any], Sequence[str]]:
    """Return stream, schema and key properties of a SCHEMA message."""
    stream, schema = message.get("stream"), message.get("schema")
    if not isinstance(stream, str) or not isinstance(schema, dict):
        raise InputError("SCHEMA without stream or schema")
    if not isinstance(schema.get("properties"), dict):
        raise InputError(f"SCHEMA of stream {stream} names no properties")
    keys = message.get("key_properties") or []
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise InputError(f"SCHEMA of stream {stream} whose key_properties are not a list of names")
    return stream, schema, keys
