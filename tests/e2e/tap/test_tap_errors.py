"""Whatever goes wrong ends with exit code 1 and one line that tells a stranger what to do."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from planhat_sandbox.options import SandboxOptions
from planhat_sandbox.server import running

# As the fixtures' settings have it.
TOKEN = "e2e-token-8d1f0c77"
QUICK = {"retry_timeout": 1}
FULL = Path("/dev/full")


def campaigns(count):
    return [
        {"_id": f"{0x66000000 + 600 * n:08x}{n:016x}", "name": f"Campaign {n}", "companyId": "c"}
        for n in range(count)
    ]


def failed(run):
    """Check what all failures share and return the line for the user."""
    assert run.code == 1
    assert "Traceback" not in run.err
    assert TOKEN not in run.err
    assert TOKEN.encode() not in run.out
    assert run.out == b"" or run.out.endswith(b"\n")
    assert run.err.count("ERROR") == 1
    return run.complaint


@pytest.mark.parametrize(
    ("maps", "words"),
    [
        (
            {"z": "campaignPurpose.upper()"},
            "'660000000000000000000000': `z`: its expression `campaignPurpose.upper()` in",
        ),
        ({"z": "campaignPurpose.upper()"}, "`campaignPurpose` is null here: write `(campaign"),
        ({"__filter__": "purpose > 1"}, "The stream's columns are _id, name, campaignPurpose"),
        ({"name": "name", "__else__": None}, "drops the key column _id of stream campaigns"),
    ],
)
def test_a_map_that_fails_is_named_with_property_expression_and_remedy(tap, odd, maps, words):
    with odd() as server:
        server.rows = {"campaigns": campaigns(3)}
        run = tap(server, "campaigns", stream_maps={"campaigns": maps})
    assert words in failed(run)


def test_an_outage_is_told_once_and_its_end_however_many_threads_wait(tap, odd, canned):
    with odd() as server:
        server.rows = {"campaigns": campaigns(400)}
        server.spoil = lambda *_: canned(503) if 10 < len(server.calls) < 26 else None
        run = tap.reads(server, "campaigns", page_size=10, parallel_requests=8, retry_timeout=60)
    assert len(set(run.ids("campaigns"))) == 400
    assert sum(call.status == 503 for call in server.calls) == 15
    assert run.err.count("503") == run.err.count("trying again in") == 1
    assert run.err.count("Planhat answers again, after ") == 1


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            {"status": 401, "body": b'{"error":"Unauthorized ' + TOKEN.encode() + b'"}'},
            ["401", "api_token", "region"],
        ),
        ({"status": 403, "body": b"Forbidden"}, ["403", "campaigns", "permission"]),
        ({"status": 404, "body": b"Cannot GET /campaigns"}, ["404", "api_url"]),
        ({"status": 400, "body": b'{"message":"sort is invalid"}'}, ["sort is invalid"]),
        (
            {"status": 200, "body": b"<html><body>Sign in</body></html>", "kind": "text/html"},
            ["HTML", "region or api_url"],
        ),
        (
            {"status": 502, "body": b"<html>Bad Gateway</html>", "kind": "text/html"},
            ["502", "run again"],
        ),
        ({"status": 200, "body": b'{"message":"Down for repairs"}'}, ["Down for repairs"]),
        ({"status": 200, "body": b'{"data":[{"_id":"1"}]}'}, ["not a list of objects"]),
        ({"status": 200, "body": b'[{"_id":"1"},7]'}, ["not a list of objects"]),
        ({"status": 200, "body": b'[{"_id":"6600'}, ["broken off"]),
        ({"status": 200, "body": b""}, ["not JSON"]),
        ({"status": 200, "body": b'[{"_id":"66', "cut": 100}, ["GET /campaigns", "connection"]),
        ({"status": 429, "body": b"Slow down"}, ["429", "requests_per_minute"]),
        (
            {"status": 429, "headers": (("Retry-After", "90"),)},
            ["429", "90 s", "requests_per_minute"],
        ),
        ({"status": 500, "body": b'{"message":"' + TOKEN.encode() + b'"}'}, ["500"]),
        ({"status": 302, "headers": (("Location", "http://localhost:9/"),)}, ["redirect"]),
    ],
    ids=lambda value: str(value.get("status")) if isinstance(value, dict) else "",
)
def test_an_answer_that_is_no_list_is_an_error_that_says_what_to_do(
    tap, odd, canned, answer, words
):
    with odd() as server:
        server.rows = {"campaigns": campaigns(5)}
        server.spoil = lambda _resource, _query: canned(**answer)
        run = tap(server, "campaigns", **QUICK)
    line = failed(run)
    assert [word for word in words if word not in line] == []


def test_a_missing_permission_stops_at_its_resource_and_keeps_what_was_read(tap):
    with running(SandboxOptions()) as sandbox:
        sandbox.control.faults.add({"resource": "nps", "deny": True, "count": None})
        run = tap(sandbox)
    line = failed(run)
    assert "may not read nps" in line
    assert "campaigns" in run.state["bookmarks"]


def test_an_answer_that_breaks_amid_a_reading_keeps_the_pages_before_it(tap, odd, canned):
    with odd() as server:
        server.rows = {"campaigns": campaigns(90)}
        server.spoil = lambda _resource, query: (
            canned(body=b'{"message":"Gone"}') if int(query["offset"]) > 30 else None
        )
        run = tap(server, "campaigns", page_size=20, parallel_requests=1, **QUICK)
        assert "Gone" in failed(run)
        assert len(run.ids("campaigns")) >= 20
        assert "full_read_at" not in run.bookmark("campaigns")

        server.spoil = lambda _resource, _query: None
        again = tap.reads(server, "campaigns", page_size=20, state=run.state)
    assert len({*run.ids("campaigns"), *again.ids("campaigns")}) == 90
    assert len(again.ids("campaigns")) < 80


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 429, "headers": (("Retry-After", "1"),)},
        {"status": 429},
        {"status": 503, "body": b"<html>"},
        {"status": 200, "body": b"<html>", "kind": "text/html"},
        {"status": 200, "body": b'[{"_id":"66', "cut": 9},
        {"status": 200, "body": b'[{"_id":}]'},
    ],
    ids=["429 and when", "429", "503", "HTML", "cut", "broken"],
)
def test_what_passes_again_costs_no_row(tap, odd, canned, answer):
    faults = []

    def spoil(_resource, query):
        if query.get("offset") != "0" and len(faults) < 2:
            faults.append(time.monotonic())
            return canned(**answer)
        return None

    with odd() as server:
        server.rows = {"campaigns": campaigns(90)}
        server.spoil = spoil
        run = tap.reads(server, "campaigns", page_size=20, parallel_requests=1)
    assert len(set(run.ids("campaigns"))) == 90
    assert len(faults) == 2
    if "headers" in answer:
        assert faults[1] - faults[0] >= 1


def test_a_server_that_is_not_there_is_named(tap):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        run = tap(url, "campaigns", **QUICK)
    line = failed(run)
    assert url.removeprefix("http://") in line
    assert "api_url" in line


@pytest.mark.parametrize(
    ("config", "word"),
    [
        ({"api_token": ""}, "api_token"),
        ({"api_token": f"Bearer {TOKEN}"}, "Bearer"),
        ({"api_token": [TOKEN]}, "api_token"),
        ({"api_url": "localhost:80"}, "api_url"),
        ({"api_url": None, "region": "eu 2"}, "region"),
        ({"page_sise": 5}, "page_size"),
        ({"parallel_requests": 51}, "parallel_requests"),
        ({"page_size": "many"}, "page_size"),
        ({"start_date": "yesterday"}, "start_date"),
        ({"lookback_minutes": -1}, "lookback_minutes"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_setting_that_cannot_be_used_is_named_in_one_line(tap, odd, config, word):
    with odd() as server:
        config = {"api_url": server.url, **config}
        run = tap(server, **config)
        assert server.calls == []
    line = failed(run)
    assert word in line


def test_a_missing_token_is_named(tap, odd):
    with odd() as server:
        run = tap(server, "campaigns", api_token=None)
    assert "api_token" in failed(run)


@pytest.mark.parametrize("taken", [0, 1, 100, 30_000])
def test_a_reader_that_has_gone_ends_the_run_with_one_line(tap, odd, taken):
    with odd() as server:
        server.rows = {"campaigns": campaigns(4000)}
        with tap.start(server, "campaigns") as process:
            process.stdout.read(taken)
            process.stdout.close()
            err = process.stderr.read().decode()
            code = process.wait()
    assert code == 1
    assert "Traceback" not in err
    assert "What reads this output is gone" in err.strip().splitlines()[-1]


@pytest.mark.parametrize("option", [None, "--discover", "--about", "--version"])
def test_output_that_cannot_be_written_ends_the_run_with_one_line(tap, odd, option):
    with odd() as server, FULL.open("wb") as full:
        server.rows = {"campaigns": campaigns(4)}
        options = [option] if option else []
        with tap.start(server, "campaigns", stdout=full, options=options) as process:
            err = process.stderr.read().decode()
            code = process.wait()
    assert code == 1
    assert "Traceback" not in err
    assert "No space left on device" in err.strip().splitlines()[-1]


def test_nothing_but_singer_messages_goes_to_standard_output(tap, odd):
    with odd() as server:
        server.rows = {"campaigns": campaigns(50)}
        run = tap.reads(server)
    kinds = {message["type"] for message in run.messages}
    assert kinds == {"SCHEMA", "RECORD", "STATE"}
    assert len(run.messages) == run.out.count(b"\n")


def test_the_log_has_no_line_a_page(tap, odd):
    with odd() as server:
        server.rows = {"campaigns": campaigns(400)}
        few = tap.reads(server, "campaigns", page_size=200)
        many = tap.reads(server, "campaigns", page_size=4)
        assert len(server.calls) > 100
    assert len(many.err.splitlines()) == len(few.err.splitlines())
