import json
from datetime import datetime, timedelta, timezone
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import orjson
import pytest

from planhat_api.resources import RESOURCES
from planhat_sandbox.faults import Effects
from planhat_sandbox.options import SandboxOptions
from planhat_sandbox.service import SandboxRequest, answer
from planhat_sandbox.tenant.tenant import Company, Tenant

FIXTURES = Path(__file__).parents[1] / "fixtures"
START = datetime(2026, 3, 1, 12, 0, 0, tzinfo=timezone.utc)


class Clock:
    """A clock that goes on by a second whenever it is told to."""

    def __init__(self):
        self.now = START

    def __call__(self):
        return self.now

    def tick(self, **span):
        self.now += timedelta(**(span or {"seconds": 1}))


class Bench:
    """A tenant with two companies, and calls to it without HTTP."""

    def __init__(self, options):
        self.clock = Clock()
        self.tenant = Tenant(options, clock=self.clock)
        self.company = self.tenant.add_company(
            Company("60df26bfa259250cba9cf816", "Tenet", "e1", "s1")
        ).id
        self.other = self.tenant.add_company(Company("60df26bfa259250cba9cf817", "Leo")).id

    def call(self, method, url, body=None, **effects):
        parts = urlsplit(url)
        _, name, *key = parts.path.split("/")
        request = SandboxRequest(
            method,
            name,
            key[0] if key else None,
            dict(parse_qsl(parts.query, keep_blank_values=True)),
            body if isinstance(body, bytes) else orjson.dumps(body),
        )
        reply = answer(self.tenant, request, Effects(**effects))
        try:
            return reply.status, orjson.loads(reply.body)
        except orjson.JSONDecodeError:
            return reply.status, reply.body.decode()

    def ok(self, method, url, body=None, **effects):
        status, found = self.call(method, url, body, **effects)
        assert status == 200, found
        return found

    def payload(self, name, **more):
        """The least that makes a record."""
        values = {"name": "A", "email": "jane@test.com", "score": 7, "companyId": self.company}
        return {key: values[key] for key in RESOURCES[name].required_to_create} | more

    def rows(self, name):
        return [orjson.loads(data) for data in self.tenant.tables[name].rows.values()]


@pytest.fixture
def bench():
    return Bench(SandboxOptions(steady=True))


@pytest.fixture
def make_bench():
    return lambda **options: Bench(SandboxOptions(**options))


@pytest.fixture(params=RESOURCES)
def name(request):
    """The name of each resource in turn."""
    return request.param


@pytest.fixture(scope="session")
def samples():
    """The pages' example bodies, by resource and operation."""
    return {
        name: json.loads((FIXTURES / "samples" / f"{name}.json").read_text()) for name in RESOURCES
    }
