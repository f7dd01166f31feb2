from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import time
from pathlib import Path

import pytest


def load(singer, count, **more):
    return [singer.schema, *(singer.task(n, **more) for n in range(count)), singer.state(count)]


def sleeps(pid):
    """The process has read everything there is and waits."""
    time.sleep(0.3)
    return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[0] == "S"


def wait_for(condition, seconds=90):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_wrong_token_ends_the_run_and_rejects_nothing(planhat, target, singer):
    planhat.fault(status=401, body={"error": "Unauthorized"}, count=None)
    run = target.run(load(singer, 5), rejects_path="r")
    assert run.code == 1
    assert "api_token" in run.complaint
    assert "region" in run.complaint
    assert run.states == []
    assert run.figures == {"tasks": {"read": 5, "pending": 5}}
    assert not (target.folder / "r").exists()


def test_a_token_that_may_not_write_ends_the_run_and_rejects_nothing(planhat, target, singer):
    planhat.fault(status=403, body={"error": "Forbidden"}, count=None)
    run = target.run(load(singer, 50), rejects_path="r")
    assert (run.code, run.states) == (1, [])
    assert "permission" in run.complaint
    assert run.figures == {"tasks": {"read": 50, "pending": 50}}


def test_a_server_that_is_down_ends_the_run_soon_and_rejects_nothing(planhat, target, singer):
    planhat.fault(status=503, text="<html>down</html>", count=None)
    began = time.monotonic()
    run = target.run(load(singer, 200), retry_timeout=2, rejects_path="r")
    assert time.monotonic() - began < 60
    assert (run.code, run.states) == (1, [])
    assert "503" in run.complaint
    assert run.figures == {"tasks": {"read": 200, "pending": 200}}


def test_an_outage_is_told_once_and_its_end(planhat, target, singer):
    planhat.fault(status=503, text="down", method="PUT", count=2)
    run = target.run(load(singer, 3), retry_timeout=60)
    assert run.code == 0
    assert run.err.count("trying again in") == run.err.count("Planhat answers again") == 1


def test_a_dry_run_that_can_look_nothing_up_ends_soon(target, singer):
    properties = {"_id": {"type": "string"}, **singer.schema["schema"]["properties"]}
    schema = singer.schema | {"schema": {"properties": properties}}
    task = singer.task(1, _id="5f1b7a9e1a2b3c4d5e6f7a01", sourceId="s")
    began = time.monotonic()
    url = "http://127.0.0.1:9"
    run = target.run([schema, task], api_url=url, dry_run=True, retry_timeout=300)
    assert time.monotonic() - began < 100
    assert run.code == 1
    assert "no connection to 127.0.0.1:9" in run.complaint
    assert run.figures == {"tasks": {"read": 1, "pending": 1}}


def test_records_that_stay_pending_fail_the_run_and_hold_state_back(planhat, target, singer):
    planhat.fault(status=400, body={"error": "Invalid payload"}, method="PUT", skip=1, count=402)
    tasks = [singer.task(n) for n in range(1500)]
    source = [singer.schema]
    for end in (500, 1000, 1500):
        source += [*tasks[end - 500 : end], singer.state(end)]
    run = target.run(source, batch_size_rows=500, rejects_path="r")
    assert run.code == 1
    assert run.states == [{"at": 500}]
    assert "are pending" in run.complaint
    assert "Invalid payload" in run.err
    figures = run.figures["tasks"]
    assert figures["created"] == 1000
    assert figures["pending"] + figures["rejected"] == 500
    assert figures["pending"] > 250


def test_nobody_listening_is_said_so(target, singer):
    run = target.run(load(singer, 2), api_url="http://127.0.0.1:9", retry_timeout=0)
    assert run.code == 1
    assert "api_url" in run.complaint


def test_answers_that_get_lost_make_no_record_twice(planhat, target, singer):
    planhat.fault(drop="after", method="PUT", count=2)
    run = target.run(load(singer, 100), batch_size_rows=40)
    assert run.code == 0
    assert run.figures["tasks"]["read"] == 100
    assert len(planhat.by_source_id()) == 100


def test_items_lost_by_the_server_are_found(planhat, target, singer):
    planhat.fault(lose_items=3, count=1)
    run = target.run(load(singer, 100))
    assert run.code == 0
    assert len(planhat.by_source_id()) == 100


def test_sigterm_settles_the_batch_in_flight_and_lets_its_state_out(planhat, target, singer):
    planhat.fault(delay_ms=1000, method="PUT", count=1)
    process = target.start(batch_size_rows=10)
    process.stdin.write(singer.encoded(load(singer, 10)))
    process.stdin.write(singer.encoded([singer.task(10)]))
    process.stdin.flush()
    wait_for(lambda: planhat.control.log.in_flight)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 143
    assert b"SIGTERM" in err
    assert b"Traceback" not in err
    assert len(planhat.rows("tasks")) == 10
    # The STATE came with the eleventh record still unread or pending.
    assert out in {b"", b'{"at":10}\n'}


def started_with(target, singer, **config):
    process = target.start(batch_size_rows=10, **config)
    process.stdin.write(singer.encoded(load(singer, 10)))
    process.stdin.write(singer.encoded([singer.task(10)]))
    process.stdin.flush()
    return process


def test_sigterm_ends_a_run_whose_server_only_drips(target, singer):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        process = started_with(
            target, singer, api_url=f"http://127.0.0.1:{listener.getsockname()[1]}"
        )
        connection, _ = listener.accept()
        with connection:
            connection.recv(10)
            connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
            process.send_signal(signal.SIGTERM)
            began = time.monotonic()
            while process.poll() is None:
                assert time.monotonic() - began < 60
                with contextlib.suppress(OSError):
                    connection.sendall(b"x")
                time.sleep(0.1)
    out, err = process.communicate()
    assert (process.returncode, out) == (143, b"")
    assert b"Traceback" not in err
    assert b'"pending":11' in err


def test_sigterm_ends_a_run_that_waits_to_try_again(planhat, target, singer):
    planhat.fault(status=429, headers={"Retry-After": "250"}, method="PUT", count=None)
    process = started_with(target, singer, retry_timeout=300)
    wait_for(lambda: planhat.control.stats()["total"])
    while b"trying again in 250.0 s" not in process.stderr.readline():
        pass
    process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    out, err = process.communicate(timeout=120)
    assert time.monotonic() - began < 60
    assert (process.returncode, out) == (143, b"")
    assert b'"pending":11' in err


def test_sigint_ends_a_run_that_waits_for_input(target, singer):
    process = target.start()
    process.stdin.write(singer.encoded(load(singer, 2)))
    process.stdin.flush()
    while b"env var" not in process.stderr.readline():
        pass
    wait_for(lambda: sleeps(process.pid))
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert b"SIGINT" in err


@pytest.mark.parametrize("calls", range(1, 12, 2))
def test_a_killed_run_is_taken_up_from_its_state_without_loss_or_duplicate(
    planhat, target, singer, calls
):
    total, step = 400, 20
    source = [singer.task(n, action=f"v{n}") for n in range(total)]

    def messages(start):
        yield singer.schema
        for begin in range(start, total, step):
            yield from source[begin : begin + step]
            yield singer.state(begin + step)

    planhat.fault(drop="after", method="PUT", skip=calls // 2, count=1)
    planhat.fault(delay_ms=5, count=None)
    process = target.start(batch_size_rows=step)
    try:
        process.stdin.write(singer.encoded(messages(0)))
        process.stdin.flush()
        wait_for(lambda: len(planhat.calls("PUT")) >= calls or process.poll() is not None)
        process.kill()
    finally:
        out, _ = process.communicate(timeout=120)
    # What it had sent is still carried out.
    wait_for(lambda: not planhat.control.log.in_flight)
    lines = [line for line in out.split(b"\n")[:-1] if line]
    start = json.loads(lines[-1])["at"] if lines else 0
    # STATE was never ahead of what is there.
    assert {f"tasks:{n}" for n in range(start)} <= set(planhat.by_source_id())
    run = target.run(list(messages(start)))
    assert run.code == 0
    assert set(planhat.by_source_id()) == {f"tasks:{n}" for n in range(total)}


def test_state_comes_out_while_the_run_goes_on(target, singer):
    process = target.start(batch_size_rows=5)
    process.stdin.write(singer.encoded(load(singer, 5)))
    process.stdin.write(singer.encoded([singer.task(6), singer.state(6)]))
    process.stdin.flush()
    os.set_blocking(process.stdout.fileno(), False)
    got = b""

    def arrived():
        nonlocal got
        got += process.stdout.read() or b""
        process.stdin.write(singer.encoded([singer.state(5)]))
        process.stdin.flush()
        return got

    wait_for(arrived)
    process.stdin.close()
    process.wait(timeout=120)
    process.stdout.close()
    process.stderr.close()
    assert process.returncode == 0


def test_a_failure_ends_a_run_that_waits_for_input_without_another_line(planhat, target, singer):
    planhat.fault(status=401, body={"error": "Unauthorized"}, count=None)
    process = target.start(batch_size_rows=5)
    process.stdin.write(singer.encoded(load(singer, 5)))
    process.stdin.flush()
    assert process.wait(timeout=120) == 1
    _, err = process.communicate()
    assert b"api_token" in err.splitlines()[-1]


def test_large_records_are_sent_before_a_batch_is_full(target, singer):
    large = [singer.task(number, action="x" * 100_000) for number in range(45)]
    process = target.start(max_body_mb=1)
    process.stdin.write(singer.encoded([singer.schema, *large[:20], singer.state(20), *large[20:]]))
    process.stdin.flush()
    # Standard input stays open: nothing but the amount of data has them sent.
    ready, _, _ = select.select([process.stdout], [], [], 30)
    assert ready
    assert process.stdout.readline() == b'{"at":20}\n'
    process.communicate(timeout=120)
