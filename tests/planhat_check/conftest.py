"""Tenants to look at: the sandbox with its faults, and a server of lists that misbehaves."""

from __future__ import annotations

import contextlib
import itertools
import json
import threading
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

import pytest

from planhat_api.settings import ClientSettings
from planhat_check import caller, write
from planhat_check.cli import check
from planhat_check.finding import Status
from planhat_sandbox.demo import sample
from planhat_sandbox.options import SandboxOptions
from planhat_sandbox.server import running
from planhat_sandbox.tenant.tenant import Tenant

TOKEN = "a-token-of-some-length"
NOW = datetime(2026, 3, 1, tzinfo=timezone.utc)


@pytest.fixture(autouse=True)
def _without_waiting(monkeypatch):
    for each in (caller.Caller, write.WriteCheck):
        defaults = dict(each.__init__.__kwdefaults__, pause=lambda _: None)
        monkeypatch.setattr(each.__init__, "__kwdefaults__", defaults)


class Found:
    """What a check found, by resource and check."""

    def __init__(self, findings):
        self.findings = findings
        self.by_name = {(each.resource, each.check): each for each in findings}

    def __getitem__(self, name):
        return self.by_name[name]

    def named(self, status):
        return [(each.resource, each.check) for each in self.findings if each.status is status]

    @property
    def failed(self):
        return self.named(Status.FAIL)


@pytest.fixture
def look():
    """Check a tenant at a URL: `look(url)`, `look(url, company_id)`."""

    def look(url, company_id=None, **settings):
        settings = {"api_token": TOKEN, "api_url": url, **settings}
        return Found(check(ClientSettings(**settings), company_id))

    return look


@pytest.fixture
def sandbox_with():
    """Make a sandbox with sample records: `sandbox_with(task_dates=TaskDates.ALL)`."""
    with contextlib.ExitStack() as stack:

        def make(rows=300, **options):
            options = SandboxOptions(**{"steady": True, **options})
            tenant = Tenant(options, sample=lambda made: sample.fill(made, NOW, rows))
            return stack.enter_context(running(tenant))

        yield make


class Lists(ThreadingHTTPServer):
    """Serves lists of rows; `manners` says how it differs from what is documented."""

    daemon_threads = False

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.rows = {"tasks": [row(number) for number in range(300)], "customfields": []}
        self.manners = set()
        self.headers = {}
        self.date = None
        self.cap = 10**9
        self.requests = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def answer(self, name, query):
        rows = [each for each in self.rows.get(name, []) if self.is_in(each, query)]
        by = query.get("sort", "_id")
        if "unsorted" in self.manners:
            rows = rows[1::2] + rows[::2]
        elif not ("ascending only" in self.manners and by.startswith("-")):
            rows.sort(key=lambda each: each.get(by.lstrip("-")) or "", reverse=by[0] == "-")
        offset, limit = int(query.get("offset", 0)), int(query.get("limit", 100))
        rows = rows[offset : offset + min(limit, self.cap)]
        wanted = {"_id", *query.get("select", "").split(",")}
        if "select" in query and "no select" not in self.manners:
            rows = [{key: value for key, value in each.items() if key in wanted} for each in rows]
        return rows

    def is_in(self, each, query):
        if "no filter" in self.manners or "isArchived" not in query:
            return True
        return each.get("isArchived", False) is (query["isArchived"] == "true")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 5

    def log_message(self, *args):
        pass

    def date_time_string(self, timestamp=None):
        return self.server.date or super().date_time_string(timestamp)

    def do_GET(self):
        parts = urlsplit(self.path)
        self.server.requests.append(("GET", self.path))
        body = self.server.answer(parts.path.strip("/"), dict(parse_qsl(parts.query)))
        body = json.dumps(body).encode()
        self.send_response(200)
        for name, value in {"Content-Length": str(len(body)), **self.server.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


_ids = itertools.count(0x61F1AB0E)


def row(number, **more):
    return {
        "_id": f"{next(_ids):08x}{number:016x}",
        "companyId": "6102c9748084189dcbf0df60",
        "updatedAt": f"2026-01-01T00:{number // 60:02}:{number % 60:02}.000Z",
        **more,
    }


@pytest.fixture
def make_row():
    return row


@pytest.fixture
def lists(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    server = Lists()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.005})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()
