"""The tap that the Singer SDK's template leads to: a RESTStream paged by offset, defaults else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from singer_sdk import RESTStream, Tap
from singer_sdk import typing as th
from singer_sdk.authenticators import BearerTokenAuthenticator
from singer_sdk.pagination import BaseOffsetPaginator

from planhat_api.resources import TASKS
from planhat_api.schema import json_schema

if TYPE_CHECKING:
    from singer_sdk.helpers.types import Context

PAGE = 10_000


class Tasks(RESTStream[int]):
    """Tasks, archived ones too."""

    name = "tasks"
    path = "/tasks"
    primary_keys = ("_id",)
    schema = json_schema(TASKS)
    records_jsonpath = "$[*]"
    partitions = [{"isArchived": "false"}, {"isArchived": "true"}]  # noqa: RUF012

    @property
    def url_base(self) -> str:
        return str(self.config["api_url"])

    @property
    def authenticator(self) -> BearerTokenAuthenticator:
        return BearerTokenAuthenticator(token=self.config["api_token"])

    def get_new_paginator(self) -> BaseOffsetPaginator:
        return BaseOffsetPaginator(start_value=0, page_size=PAGE)

    def get_url_params(
        self, context: Context | None, next_page_token: int | None
    ) -> dict[str, Any]:
        return {**(context or {}), "limit": PAGE, "offset": next_page_token or 0}

    def post_process(self, row: dict[str, Any], context: Context | None = None) -> dict[str, Any]:
        del context
        return row


class SDKTap(Tap):
    """One stream."""

    name = "sdk-tap"
    config_jsonschema = th.PropertiesList(
        th.Property("api_token", th.StringType, required=True, secret=True),
        th.Property("api_url", th.StringType, required=True),
    ).to_dict()

    def discover_streams(self) -> list[Tasks]:
        return [Tasks(self)]


if __name__ == "__main__":
    SDKTap.cli()
