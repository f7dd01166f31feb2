"""Reads the four lists with dlt's rest_api; run in an environment of its own, by compared.py.

A configuration as dlt's documentation suggests for an API with offset and limit.
"""

import json
import sys

from dlt.sources.rest_api import rest_api_source


def config(url: str, limits: dict[str, int]) -> dict:
    """Return the configuration: each list by its largest page."""
    return {
        "client": {"base_url": url, "auth": {"type": "bearer", "token": "any"}},
        "resource_defaults": {"primary_key": "_id", "write_disposition": "merge"},
        "resources": [
            {
                "name": name,
                "endpoint": {
                    "path": name,
                    "data_selector": "$",
                    "paginator": {"type": "offset", "limit": limit, "total_path": None},
                },
            }
            for name, limit in limits.items()
        ],
    }


if __name__ == "__main__":
    for name, resource in rest_api_source(
        config(sys.argv[1], json.loads(sys.argv[2]))
    ).resources.items():
        for row in resource:
            print(json.dumps([name, row["_id"], bool(row.get("isArchived"))]))
