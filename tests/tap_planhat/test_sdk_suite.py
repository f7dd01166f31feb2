"""The SDK's standard tests of a tap, against the sandbox."""

from __future__ import annotations

import signal
from datetime import datetime, timezone

import pytest
from singer_sdk.testing import SuiteConfig, get_tap_test_class

from planhat_sandbox.demo import sample
from planhat_sandbox.server import running
from planhat_sandbox.tenant.tenant import Tenant
from tap_planhat.tap import TapPlanhat

# No tenant has every property in its rows.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Fields in transformed catalog but not in records"),
    pytest.mark.filterwarnings("ignore:No records were available to test"),
]
# The suite makes its tap when this module is imported; the address comes before the first test.
CONFIG = {"api_token": "secret", "api_url": "http://127.0.0.1:1", "requests_per_minute": 100_000}


def _build():
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    suite = get_tap_test_class(
        TapPlanhat,
        config=CONFIG,
        suite_config=SuiteConfig(max_records_limit=50, ignore_no_records_for_streams=["deletions"]),
        parse_env_config=False,
    )
    for number, handler in before.items():
        signal.signal(number, handler)
    return suite


@pytest.fixture(scope="module", autouse=True)
def _sandbox():
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    tenant = Tenant()
    sample.fill(tenant, datetime.now(timezone.utc), 60)
    with running(tenant) as sandbox:
        CONFIG["api_url"] = sandbox.url
        yield
    for number, handler in before.items():
        signal.signal(number, handler)


TestStandard = _build()
