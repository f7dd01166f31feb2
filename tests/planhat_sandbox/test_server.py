"""Over HTTP: what the service and the control cannot show without a connection."""

import threading
import time
from http.client import HTTPConnection, IncompleteRead, RemoteDisconnected
from urllib.parse import urlsplit

import orjson
import pytest

from planhat_sandbox import app, limits
from planhat_sandbox.options import SandboxOptions
from planhat_sandbox.server import running
from planhat_sandbox.tenant import directory
from planhat_sandbox.tenant.tenant import Company, Tenant

TOKEN = {"Authorization": "Bearer anything"}
BROKEN = (RemoteDisconnected, ConnectionResetError)


class Client:
    """One connection a call, closed whatever happens."""

    def __init__(self, url):
        self._address = urlsplit(url).netloc

    def __call__(self, method, path, body=None, headers=TOKEN):
        connection = HTTPConnection(self._address, timeout=10)
        try:
            data = body if isinstance(body, bytes | None) else orjson.dumps(body)
            connection.request(method, path, data, headers)
            reply = connection.getresponse()
            return reply.status, reply.read(), reply.headers
        finally:
            connection.close()

    def json(self, *call):
        status, body, _ = self(*call)
        assert status == 200, body
        return orjson.loads(body)


@pytest.fixture
def start():
    """Start a sandbox with one company; it ends with the test."""
    from contextlib import ExitStack

    with ExitStack() as stack:

        def started(**options):
            tenant = Tenant(SandboxOptions(**{"steady": True, **options}))
            tenant.add_company(Company("c" * 24, "Tenet", "e1"))
            sandbox = stack.enter_context(running(tenant))
            return sandbox, Client(sandbox.url)

        yield started


def task(**more):
    return {"companyId": "c" * 24, **more}


def test_a_record_goes_in_and_out_over_http(start):
    sandbox, call = start()
    assert str(sandbox) == sandbox.url
    made = call.json("POST", "/tasks", task(action="A", sourceId="a b/c"))
    assert call.json("GET", "/tasks?limit=1&sort=-updatedAt")[0]["action"] == "A"
    assert call.json("GET", "/tasks/srcid-a%20b%2Fc")["_id"] == made["_id"]
    assert call.json("GET", "/tasks/")[0]["_id"] == made["_id"], "an empty id is the list's route"
    assert call("GET", "/tasks/a/b")[0] == 404
    assert call("GET", "/invoices")[0] == 404
    assert len(sandbox.tenant.tables["tasks"].rows) == 1
    stats = call.json("GET", "/__sandbox/stats")
    assert stats["calls"] == {"POST tasks": 1, "GET tasks": 4, "GET invoices": 1}
    assert stats["rows"] == 2
    assert [one.status for one in sandbox.control.calls] == [200, 200, 200, 200, 404, 404]


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer "}, {"Authorization": "abc"}])
def test_a_call_without_a_token_is_401(start, headers):
    _, call = start()
    assert call("GET", "/tasks", None, headers)[0] == 401


def test_only_the_token_that_was_named_is_accepted(start):
    _, call = start(token="secret")
    assert call("GET", "/tasks", None, {"Authorization": "Bearer secret"})[0] == 200
    assert call("GET", "/tasks")[0] == 401
    assert call("GET", "/__sandbox/stats", None, {})[0] == 200


def test_a_body_over_the_limit_is_413_and_writes_nothing(start, monkeypatch):
    monkeypatch.setattr(app, "MAX_BODY", 1000)
    sandbox, call = start()
    assert call("PUT", "/tasks", [task(action="x" * 1000)])[0] == 413
    assert call("PUT", "/tasks", [task(action="x" * 100)])[0] == 200
    assert len(sandbox.tenant.tables["tasks"].rows) == 1
    assert app.MAX_BODY == 1000


def test_calls_over_the_rate_limit_are_429_and_every_answer_says_what_is_left(start, monkeypatch):
    _, call = start(rate_limit=2)
    replies = [call("GET", "/tasks") for _ in range(3)]
    assert [status for status, _, _ in replies] == [200, 200, 429]
    assert [headers["X-Rate-Limit-Limit"] for _, _, headers in replies] == ["2"] * 3
    assert [headers["X-Rate-Limit-Remaining"] for _, _, headers in replies] == ["1", "0", "0"]
    assert 1 <= int(replies[2][2]["Retry-After"]) <= 60
    later = limits.monotonic() + 61
    monkeypatch.setattr(limits, "monotonic", lambda: later)
    assert call("GET", "/tasks")[0] == 200


def test_the_rate_limits_headers_have_one_of_two_spellings(start):
    told = set()
    for seed in range(8):
        _, call = start(rate_limit=2, steady=False, seed=seed)
        headers = call("GET", "/tasks")[2]
        told |= {name for name in headers if "limit" in name.lower()}
    assert told == {
        "x-rate-limit-limit",
        "x-rate-limit-remaining",
        "x-ratelimit-limit",
        "x-ratelimit-remaining",
    }


def test_more_than_fifty_calls_at_once_are_429(start):
    sandbox, call = start()
    for under_way, status in ((49, 200), (50, 429)):
        sandbox.control.log.in_flight = under_way
        assert call("GET", "/tasks")[0] == status


def test_retry_after_is_sent_now_and_then_only(start):
    _, call = start(rate_limit=1, steady=False)
    call("GET", "/tasks")
    told = {"Retry-After" in call("GET", "/tasks")[2] for _ in range(20)}
    assert told == {True, False}


def test_a_fault_answers_in_the_place_of_the_resource(start):
    sandbox, call = start()
    html = "<html>bad</html>"
    faults = [
        {"status": 500, "body": {"error": "x"}, "method": "POST"},
        {"status": 502, "text": html, "headers": {"Retry-After": "7"}, "skip": 1},
    ]
    call.json("POST", "/__sandbox/faults", faults)
    status, body, _ = call("POST", "/tasks", task())
    assert (status, orjson.loads(body)) == (500, {"error": "x"})
    status, body, headers = call("POST", "/tasks", task())
    assert (status, body.decode(), headers["Retry-After"]) == (502, html, "7")
    assert headers["Content-Type"].startswith("text/html")
    assert len(sandbox.tenant.tables["tasks"].rows) == 0


def test_a_list_beside_the_resources_can_be_denied_absent_or_html(start):
    _, call = start()
    for name in directory.LISTS:
        assert call("GET", f"/{name}")[0] == 200
        for fault, status, kind in (
            ({"deny": True}, 403, "application/json"),
            ({"status": 404, "text": f"Cannot GET /{name}"}, 404, "text/plain"),
            ({"not_json": True, "text": "<html>Log in</html>"}, 200, "text/html"),
        ):
            call.json("POST", "/__sandbox/faults", {"resource": name, **fault})
            found, _, headers = call("GET", f"/{name}")
            assert (found, headers["Content-Type"].partition(";")[0]) == (status, kind)
        assert call("GET", f"/{name}")[0] == 200


def test_a_connection_breaks_before_or_after_the_write_or_within_the_answer(start):
    sandbox, call = start()
    rows = sandbox.tenant.tables["tasks"].rows
    for drop, error, written in (
        ("before", BROKEN, 0),
        ("after", BROKEN, 1),
        ("within", (IncompleteRead, ConnectionResetError), 2),
    ):
        call.json("POST", "/__sandbox/faults", {"drop": drop})
        with pytest.raises(error):
            call("POST", "/tasks", task())
        assert len(rows) == written
    assert [one.status for one in sandbox.control.calls] == [0, 0, 0]
    assert call("GET", "/tasks")[0] == 200


def test_an_answer_may_not_be_json_though_the_write_was_done(start):
    sandbox, call = start()
    call.json("POST", "/__sandbox/faults", {"not_json": True})
    status, body, _ = call("POST", "/tasks", task())
    assert (status, body) == (200, b"upstream connect error")
    assert len(sandbox.tenant.tables["tasks"].rows) == 1


def test_calls_wait_for_the_latency_side_by_side(start):
    _, call = start(latency_ms=150)
    threads = [threading.Thread(target=call, args=("GET", "/tasks")) for _ in range(4)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - began >= 0.15
    assert call.json("GET", "/__sandbox/stats")["max_concurrent"] == 4


def test_one_call_can_be_delayed(start):
    _, call = start()
    call.json("POST", "/__sandbox/faults", {"delay_ms": 60})
    began = time.monotonic()
    call("GET", "/tasks")
    assert time.monotonic() - began >= 0.06


def test_random_errors_reach_the_caller(start):
    _, call = start(error_rate=1.0, steady=False)
    kinds = set()
    for _ in range(30):
        try:
            kinds.add(call("GET", "/tasks")[0])
        except BROKEN:
            kinds.add("broken")
    assert kinds == {500, 502, "broken"}


def test_rows_change_after_each_page(start):
    _, call = start()
    call.json("POST", "/__sandbox/changes", {"resource": "tasks", "insert": 2})
    assert [len(call.json("GET", "/tasks")) for _ in range(3)] == [0, 2, 4]


def test_answers_are_not_held_back_by_the_network_stack(start):
    """40 ms a call is what Nagle's algorithm costs; 20 calls on one connection need 2 each."""
    sandbox, _ = start()
    connection = HTTPConnection(urlsplit(sandbox.url).netloc, timeout=10)
    began = time.monotonic()
    for _ in range(20):
        connection.request("GET", "/tasks", headers=TOKEN)
        connection.getresponse().read()
    connection.close()
    assert time.monotonic() - began < 0.6


def test_a_sandbox_ends_with_its_block_and_frees_its_port():
    with running() as first:
        port = urlsplit(first.url).port
    assert not [one for one in threading.enumerate() if one.name == "planhat-sandbox"]
    with running(SandboxOptions(seed=5), port=port) as second:
        assert second.url == first.url
        assert second.tenant.options.seed == 5
        with pytest.raises(OSError, match="in use"), running(port=port):
            pass


def test_a_sandbox_ends_though_a_client_keeps_its_connection():
    with running() as sandbox:
        connection = HTTPConnection(urlsplit(sandbox.url).netloc, timeout=10)
        connection.request("GET", "/tasks", headers=TOKEN)
        connection.getresponse().read()
        began = time.monotonic()
    assert time.monotonic() - began < 3
    connection.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_server_that_cannot_start_is_an_error_and_not_a_long_wait(monkeypatch):
    from planhat_sandbox import server

    def fail(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(server._Server, "_serve", fail)
    with pytest.raises(RuntimeError, match="could not start"), running():
        pass


EVIL = {"Origin": "http://evil.example"}


@pytest.mark.parametrize("headers", [EVIL, {"Origin": "null"}, {"Host": "evil.example:8787"}])
def test_pages_of_other_sites_can_change_nothing(start, headers):
    sandbox, call = start()
    for method, path in (
        ("POST", "/__sandbox/reset"),
        ("POST", "/__sandbox/load/tasks"),
        ("DELETE", "/__sandbox/faults/1"),
        ("GET", "/__sandbox/dump/tasks"),
    ):
        assert call(method, path, {}, headers)[0] == 403
    rebound = {**headers, "Origin": headers.get("Origin", "http://evil.example:8787")}
    for method in ("POST", "PUT"):
        assert call(method, "/tasks", [task()], TOKEN | rebound)[0] == 403
    assert len(sandbox.tenant.tables["tasks"].rows) == 0


def test_its_own_page_and_programs_may_change_what_it_holds(start):
    sandbox, call = start()
    own = {"Origin": sandbox.url}
    assert call("POST", "/__sandbox/reset", {}, own)[0] == 200
    assert call("POST", "/tasks", task(), TOKEN | own)[0] == 200
    assert call("POST", "/tasks", task(), TOKEN | {"Host": "planhat.example"})[0] == 200
    for host in ("localhost:1", "sandbox:8787", "host.docker.internal", "[::1]:80", "10.0.0.7"):
        assert call("GET", "/__sandbox/stats", None, {"Host": host})[0] == 200


def test_the_page_needs_no_token_and_may_load_nothing_from_elsewhere(start):
    _, call = start(token="secret")
    status, body, headers = call("GET", "/", None, {})
    assert status == 200
    assert headers["Content-Type"].startswith("text/html")
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert b"http://" not in body.replace(b"http://www.w3.org/2000/svg", b"")
    assert b"https://" not in body
    assert call("POST", "/", {}, {})[0] == 401


def test_the_latest_calls_are_kept_with_their_bodies(start):
    _, call = start()
    call.json("PUT", "/tasks", [task(sourceId="a"), task(sourceId="b")])
    call("GET", "/tasks?limit=1&sort=-_id")
    newest, first = call.json("GET", "/__sandbox/latest")
    assert (newest["target"], newest["rows"]) == ("/tasks?limit=1&sort=-_id", 1)
    assert (first["method"], first["note"]) == ("PUT", "2 created")
    assert first["ms"] > 0
    found = call.json("GET", f"/__sandbox/latest/{first['number']}")
    assert orjson.loads(found["sent"]) == [task(sourceId="a"), task(sourceId="b")]
    assert orjson.loads(found["answered"])["created"] == 2
    assert call("GET", "/__sandbox/latest/77")[0] == 404


def test_a_call_that_a_fault_broke_is_kept_too(start):
    _, call = start()
    call.json("POST", "/__sandbox/faults", [{"drop": "after"}, {"status": 500}])
    with pytest.raises(BROKEN):
        call("PUT", "/tasks", [task()])
    call("GET", "/tasks")
    assert [one["status"] for one in call.json("GET", "/__sandbox/latest")] == [200, 0]


def test_calls_in_flight_during_a_reset_leave_the_count_at_zero(start):
    sandbox, call = start(latency_ms=200)
    thread = threading.Thread(target=call, args=("GET", "/tasks"))
    thread.start()
    while not sandbox.control.log.in_flight:
        time.sleep(0.005)
    call.json("POST", "/__sandbox/reset")
    thread.join()
    assert sandbox.control.log.in_flight == 0


def test_a_latency_that_is_set_while_it_runs_counts_from_then_on(start):
    _, call = start()
    call.json("POST", "/__sandbox/options", {"latency_ms": 60})
    began = time.monotonic()
    call("GET", "/tasks")
    assert time.monotonic() - began >= 0.06
