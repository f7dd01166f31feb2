"""The target that the Singer SDK's template leads to: a BatchSink, records validated, defaults."""

from __future__ import annotations

import json
from typing import Any

import requests
from singer_sdk import BatchSink, Target
from singer_sdk import typing as th

BATCH = 5_000


class Sink(BatchSink):
    """Puts each batch."""

    max_size = BATCH

    def process_batch(self, context: dict[str, Any]) -> None:
        response = requests.put(
            f"{self.config['api_url']}/{self.stream_name}",
            # The SDK turns dates into objects.
            data=json.dumps(context["records"], default=str),
            headers={
                "Authorization": f"Bearer {self.config['api_token']}",
                "Content-Type": "application/json",
            },
            timeout=120,
        )
        response.raise_for_status()


class SDKTarget(Target):
    """Any stream."""

    name = "sdk-target"
    config_jsonschema = th.PropertiesList(
        th.Property("api_token", th.StringType, required=True, secret=True),
        th.Property("api_url", th.StringType, required=True),
    ).to_dict()
    default_sink_class = Sink


if __name__ == "__main__":
    SDKTarget.cli()
