"""Writes the sources and staging models in dbt/ from what the tap discovers.

Run by `make docs`; a test fails while a file is behind. dbt_project.yml and the macros are written
by hand.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml  # type: ignore[import-untyped]
from settings import ROOT
from streams import discovered

from planhat_api.resources import RESOURCES

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = ROOT / "dbt" / "models" / "staging"
NAMES = {"cId": "company_id", "euId": "enduser_id", "__v": "revision"}
"""Columns whose name in a model does not follow from Planhat's."""
KEYS = {"campaigns": "campaign_id", "conversations": "conversation_id", "tasks": "task_id"}
LOADED_AT = {"_sdc_extracted_at": "extracted_at", "_sdc_batched_at": "loaded_at"}
"""Columns that loaders add."""
_HEAD = "# Made by `make docs` from the columns of the tap's streams.\n"
_MODEL = """\
{{% set loaded = source('planhat', '{name}') %}}
{{% set names = {{
{columns}
}} %}}
select {{{{ planhat_columns(loaded, names) }}}}
from {{{{ loaded }}}} as loaded
where {{{{ planhat_is_live(loaded, '{name}') }}}}
"""
_FRESHNESS = {
    "warn_after": {"count": 36, "period": "hour"},
    "error_after": {"count": 72, "period": "hour"},
}


def key(stream: str) -> str:
    """Return the name of a model's primary key."""
    return KEYS.get(stream, f"{stream}_id")


def column(stream: str, name: str) -> str:
    """Return the name that a column has in the stream's model."""
    if name == "_id":
        return key(stream)
    return NAMES.get(name) or re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def model(stream: dict[str, Any]) -> str:
    """Return the SQL of a staging model."""
    name = stream["tap_stream_id"]
    renamed = {each: column(name, each) for each in stream["schema"]["properties"]} | LOADED_AT
    if len(set(renamed.values())) < len(renamed):
        raise ValueError(f"two columns of {name} have one name")
    columns = ",\n".join(f'    "{old}": "{new}"' for old, new in renamed.items())
    head = _HEAD.replace("#", "--", 1)
    return f"{head}{_MODEL.format(name=name, columns=columns)}"


def sources(streams: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the sources: a table for each stream, with its columns."""
    tables = [_table(stream) for stream in streams]
    config = {"loaded_at_field": "_sdc_batched_at", "freshness": _FRESHNESS}
    source = {"name": "planhat", "schema": "{{ var('planhat_schema', 'planhat') }}"}
    return {"version": 2, "sources": [{**source, "config": config, "tables": tables}]}


def _table(stream: dict[str, Any]) -> dict[str, Any]:
    name = stream["tap_stream_id"]
    table = {
        "name": name,
        "description": f"Planhat's {name}, as tap-planhat emits them.",
        "columns": [
            {"name": each, "description": schema["description"]}
            for each, schema in stream["schema"]["properties"].items()
        ],
    }
    # Rows come where Planhat has such, which may be never.
    return table if name in RESOURCES else {**table, "config": {"freshness": None}}


def models(streams: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what is documented and tested of the staging models."""
    return {"version": 2, "models": [_documented(stream) for stream in streams]}


def _documented(stream: dict[str, Any]) -> dict[str, Any]:
    name = stream["tap_stream_id"]
    columns: list[dict[str, Any]] = [
        {"name": column(name, each), "description": schema["description"]}
        for each, schema in stream["schema"]["properties"].items()
    ]
    columns[0]["data_tests"] = ["unique", "not_null"]
    about = f"Planhat's {name} that still exist, one row each."
    return {"name": f"stg_planhat__{name}", "description": about, "columns": columns}


def updated() -> dict[Path, str]:
    """Return what the files should hold."""
    found = discovered()
    # The stream deletions has no model: it is applied to the others.
    streams = [stream for stream in found if stream["tap_stream_id"] in RESOURCES]
    described = {"_planhat__sources": sources(found), "_planhat__models": models(streams)}
    files = {
        FOLDER / f"{name}.yml": _HEAD
        + yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)
        for name, content in described.items()
    }
    for stream in streams:
        files[FOLDER / f"stg_planhat__{stream['tap_stream_id']}.sql"] = model(stream)
    return files


def main() -> None:
    """Write the files."""
    for path, text in updated().items():
        path.write_text(text)


if __name__ == "__main__":
    main()
