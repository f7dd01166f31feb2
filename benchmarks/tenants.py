"""Two tenants with the same companies and people, one with records and one without."""

from __future__ import annotations

import argparse
import sys
from datetime import datetime, timezone

import orjson

from planhat_sandbox import server
from planhat_sandbox.demo import sample
from planhat_sandbox.options import SandboxOptions
from planhat_sandbox.tenant.tenant import Tenant


def full(rows: dict[str, int], now: datetime, error_rate: float) -> Tenant:
    """Return a tenant with so many records of each resource."""
    tenant = Tenant(SandboxOptions(seed=1, error_rate=error_rate))
    sample.fill(tenant, now, rows)
    return tenant


def empty(rows: dict[str, int], now: datetime, error_rate: float) -> Tenant:
    """Return a tenant that knows whom the records of the full one speak of."""
    # There are so many people as answer to NPS.
    first = full({**dict.fromkeys(rows, 0), "nps": rows["nps"]}, now, 0)
    tenant = Tenant(SandboxOptions(seed=2, error_rate=error_rate))
    tenant.adopt(first)
    return tenant


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("which", choices=["full", "empty"])
    parser.add_argument("rows", type=orjson.loads, help="JSON: records of each resource")
    parser.add_argument("--now", required=True, type=datetime.fromisoformat)
    parser.add_argument("--error-rate", type=float, default=0)
    given = parser.parse_args()
    make = full if given.which == "full" else empty
    tenant = make(given.rows, given.now.astimezone(timezone.utc), given.error_rate)

    def announce(url: str) -> None:
        sys.stdout.write(f"{url}\n")
        sys.stdout.flush()

    server.serve(tenant, port=0, announce=announce)


if __name__ == "__main__":
    main()
