"""The raw loop the tap is compared with: page after page, no check, no state, no schema."""

from __future__ import annotations

import sys

import orjson
import requests


def main(url: str, stream: str, limit: int, filters: list[dict[str, str]]) -> None:
    session = requests.Session()
    session.headers["Authorization"] = "Bearer token"
    dumps, write = orjson.dumps, sys.stdout.buffer.write
    for params in filters:
        offset = 0
        while True:
            query: dict[str, str | int] = {**params, "limit": limit, "offset": offset}
            response = session.get(f"{url}/{stream}", params=query, timeout=120)
            response.raise_for_status()
            rows = orjson.loads(response.content)
            for row in rows:
                message = {"type": "RECORD", "stream": stream, "record": row}
                write(dumps(message, option=orjson.OPT_APPEND_NEWLINE))
            offset += len(rows)
            if len(rows) < limit:
                break


if __name__ == "__main__":
    if sys.argv[2] == "tasks":
        main(sys.argv[1], "tasks", 10_000, [{"isArchived": "false"}, {"isArchived": "true"}])
    else:
        main(sys.argv[1], sys.argv[2], 2_000, [{}])
