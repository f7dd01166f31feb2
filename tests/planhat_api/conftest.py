"""A server that answers as it is told, and a clock that moves only by waiting."""

from __future__ import annotations

import contextlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import orjson
import pytest

from planhat_api.calls.budget import CallBudget
from planhat_api.calls.transport import Transport
from planhat_api.client import ClientSettings, PlanhatClient
from planhat_api.redact import Redactor

TOKEN = "tKn+9f/Za7Qx.Lm2=0wErTy-55uIoP_aSdF"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 5  # So that a test that leaves a connection open ends all the same.

    def log_message(self, *args):
        pass

    def handle_any(self):
        size = int(self.headers.get("Content-Length", 0))
        self.body = b"" if self.server.leave_body else self.rfile.read(size)
        answers = self.server.answers
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        self.server.requests.append(
            SimpleNamespace(
                method=self.command,
                path=self.path,
                headers=self.headers,
                body=self.body,
                connection=self.client_address,
            )
        )
        # A client that has had enough hangs up: that is no error of the server.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            answer(self)

    do_GET = do_PUT = do_DELETE = do_CONNECT = handle_any  # noqa: N815


class Server(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 64

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests = []
        self.answers = []
        self.leave_body = False
        self.failures = []

    def handle_error(self, request, client_address):  # noqa: ARG002
        import sys

        self.failures.append(sys.exc_info()[1])

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def will(self, *answers):
        """Give these answers, one a request, and the last one to all that follow."""
        self.answers = list(answers)


def answering(body=b"[]", status=200, reason=None, **headers):
    """Return an answer: JSON of a value, or bytes as they are; headers as `X_Name="value"`."""
    if not isinstance(body, bytes):
        body = orjson.dumps(body)
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    def answer(handler):
        handler.send_response(status, reason)
        for name, value in {"Content-Length": str(len(body)), **named}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def raw(data, *, then=None):
    """Return an answer that is just these bytes, followed by the end of the connection."""

    def answer(handler):
        handler.wfile.write(data)
        handler.wfile.flush()
        if then is not None:
            then(handler)
        handler.close_connection = True

    return answer


class Clock:
    """Time that passes only where somebody waits; stands in for the module `time` too."""

    def __init__(self):
        self.now = 1000.0
        self.waits = []
        self._lock = threading.Lock()

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        with self._lock:
            self.waits.append(seconds)
        until = self.now + seconds
        with self._lock:
            self.now = max(self.now, until)


@pytest.fixture(scope="session")
def new_clock():
    """Make a clock for one example of a property test."""
    return Clock


@pytest.fixture
def token():
    return TOKEN


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("planhat_api.calls.retries.time", clock)
    return clock


@pytest.fixture
def server(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    server = Server()
    server.will(answering())
    server.answering, server.raw = answering, raw
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.005})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()
    assert server.failures == []


@pytest.fixture
def settings(server):
    def make(**changes):
        return ClientSettings(**{"api_token": TOKEN, "api_url": server.url, **changes})

    return make


@pytest.fixture
def transport(settings):
    """Make a transport to the server, closed before the server is."""
    made = []

    def make(**changes):
        made.append(Transport(settings(**changes), Redactor(TOKEN), connections=4))
        return made[-1]

    yield make
    for item in made:
        item.close()


@pytest.fixture
def client(settings, clock):
    """Make a client of the server whose budget and retries wait by the clock."""
    made = []

    def make(budget=None, **changes):
        budget = budget or CallBudget(100_000, clock=clock.monotonic, sleep=clock.sleep)
        made.append(PlanhatClient(settings(**changes), budget=budget))
        return made[-1]

    yield make
    for item in made:
        item.close()
