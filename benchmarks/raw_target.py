"""The raw loop the target is compared with: 5,000 records a request, no check, no state."""

from __future__ import annotations

import sys
from typing import Any

import orjson
import requests

BATCH = 5_000


def main(url: str) -> None:
    session = requests.Session()
    session.headers["Authorization"] = "Bearer token"
    session.headers["Content-Type"] = "application/json"

    def send(records: list[Any]) -> None:
        response = session.put(f"{url}/tasks", data=orjson.dumps(records), timeout=120)
        response.raise_for_status()
        orjson.loads(response.content)

    batch: list[Any] = []
    for line in sys.stdin.buffer:
        message = orjson.loads(line)
        if message["type"] == "RECORD":
            batch.append(message["record"])
            if len(batch) == BATCH:
                send(batch)
                batch = []
    if batch:
        send(batch)


if __name__ == "__main__":
    main(sys.argv[1])
