from __future__ import annotations

import gc
import logging
import threading
import traceback
import weakref
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone

import orjson
import pytest

from planhat_api import client as module
from planhat_api import errors
from planhat_api.calls.budget import WINDOW, CallBudget
from planhat_api.resources import CAMPAIGNS, CONVERSATIONS, NPS, RESOURCES, TASKS

ID = "6102c9748084189dcbf0df60"


@pytest.mark.parametrize("resource", RESOURCES.values(), ids=lambda item: item.name)
def test_each_resource_is_listed_at_its_path(server, client, resource):
    server.will(server.answering([{"_id": ID}]))
    params = {"limit": 2, "offset": 4, "sort": "-_id"}
    assert client().list_rows(resource, params) == [{"_id": ID}]
    assert server.requests[0].path == f"/{resource.name}?limit=2&offset=4&sort=-_id"


def test_a_page_may_be_had_undecoded(server, client):
    body = b'[{"_id":"1"}]'
    server.will(server.answering(b"<html>", 502), server.answering(body))
    page = client().list_page(TASKS, {"limit": 1})
    assert page.size == len(body)
    assert page.rows() == [{"_id": "1"}]
    assert server.requests[1].path == "/tasks?limit=1"


def test_the_root_of_the_api_may_have_a_path(server, client):
    client(api_url=f"{server.url}/planhat/").list_rows(TASKS, {})
    assert server.requests[0].path == "/planhat/tasks"


@pytest.mark.parametrize(
    ("key", "segment"),
    [
        (ID, ID),
        ("srcid-a/b", "srcid-a%2Fb"),
        ("srcid-../..", "srcid-..%2F.."),
        ("extid-1?limit=1#x", "extid-1%3Flimit%3D1%23x"),
        ("srcid-50%", "srcid-50%25"),
        ("srcid-%2F", "srcid-%252F"),
        ("srcid-%41", "srcid-%2541"),
        ("srcid- a\n", "srcid-%20a%0A"),
        ("srcid-é€😀", "srcid-%C3%A9%E2%82%AC%F0%9F%98%80"),
        ("srcid-a+b&c=d;e,f:g@h", "srcid-a%2Bb%26c%3Dd%3Be%2Cf%3Ag%40h"),
        ("...a", "...a"),
    ],
)
def test_a_key_names_one_record_whatever_its_characters(server, client, key, segment):
    server.will(server.answering({"_id": ID}))
    assert client().get(CAMPAIGNS, key) == {"_id": ID}
    assert server.requests[0].path == f"/campaigns/{segment}"


@pytest.mark.parametrize(
    "key", ["", " ", "\n", ".", "..", "...", "srcid-", "extid-", "srcid-\ud800"]
)
def test_a_key_that_names_no_record_is_not_sent(server, client, key):
    with pytest.raises(errors.KeyInvalidError, match="the key '"):
        client().get(CAMPAIGNS, key)
    assert server.requests == []


def test_a_record_that_is_not_there_is_none(server, client):
    server.will(server.answering(b"Not found", 404))
    assert client().get(TASKS, "srcid-1") is None


def test_a_bulk_upsert_sends_the_body_as_it_is(server, client):
    server.will(server.answering({"created": 1}, 206))
    answer = client().bulk_upsert(NPS, b'[{"score":7}]', repeatable=True)
    assert (answer.status, answer.body) == (206, {"created": 1})
    (request,) = server.requests
    assert (request.method, request.path, request.body) == ("PUT", "/nps", b'[{"score":7}]')


def test_a_bulk_upsert_is_repeated_with_its_whole_body(server, client):
    server.will(server.answering(b"", 500), server.raw(b""), server.answering({"created": 1}))
    client().bulk_upsert(TASKS, b'[{"_id":"1"}]', repeatable=True)
    assert [request.body for request in server.requests] == [b'[{"_id":"1"}]'] * 3


def test_a_bulk_upsert_that_must_not_happen_twice_is_sent_once(server, client):
    server.will(server.raw(b""))
    with pytest.raises(errors.ConnectionLostError, match="not sent again"):
        client().bulk_upsert(TASKS, b"[{}]", repeatable=False)
    assert len(server.requests) == 1


def test_a_bulk_upsert_that_was_refused_for_too_many_calls_is_sent_again(server, client):
    server.will(server.answering(b"", 429), server.answering({"created": 1}))
    assert client().bulk_upsert(TASKS, b"[{}]", repeatable=False).status == 200


def test_a_body_over_the_limit_is_told_from_other_refusals(server, client):
    server.will(server.answering(b"", 413))
    with pytest.raises(errors.TooLargeError):
        client().bulk_upsert(TASKS, b"[{}]", repeatable=True)


def test_deleting_says_whether_there_was_something(server, client):
    server.will(server.answering({"deletedCount": 1}), server.answering(b"", 404))
    used = client()
    assert used.delete(TASKS, ID) is True
    assert used.delete(TASKS, ID) is False
    assert [(item.method, item.path) for item in server.requests] == [
        ("DELETE", f"/tasks/{ID}")
    ] * 2


@pytest.mark.parametrize("key", ["", "..", "srcid-1", ID[:-1], ID + "0", ID + "\n", "g" * 24])
def test_only_an_id_deletes(server, client, key):
    server.will(server.answering(b"", 404))
    with pytest.raises(errors.KeyInvalidError, match="only an _id"):
        client().delete(TASKS, key)
    assert server.requests == []


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (401, errors.AuthenticationError, "Check api_token, and region"),
        (403, errors.PermissionDeniedError, "may not read conversations"),
        (404, errors.NotFoundError, "Check api_url"),
        (400, errors.PayloadError, "GET /conversations: 400 it is so"),
    ],
)
def test_a_refusal_is_raised_at_once_and_names_the_remedy(server, client, status, kind, words):
    server.will(server.answering({"message": "it is so"}, status))
    with pytest.raises(kind, match=words):
        client().list_rows(CONVERSATIONS, {})
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "spoiled",
    [
        {"status": 500, "body": b"<html>"},
        {"status": 502, "body": b""},
        {"status": 503, "body": b"x", "Retry_After": "1"},
        {"status": 429, "body": b"x"},
        {"status": 200, "body": b"<html>"},
        {"status": 200, "body": b'[{"_id":'},
        {"status": 200, "body": b""},
        {"status": 200, "body": b"{}"},
        {"status": 200, "body": b"[{}]", "Content_Length": "9"},
        {"status": 200, "body": b"[{}]", "Content_Length": "4, 9"},
    ],
)
def test_a_list_that_was_spoiled_on_the_way_is_asked_for_again(server, client, spoiled):
    def close(handler):
        server.answering(**spoiled)(handler)
        handler.close_connection = True

    server.will(close, server.answering([{"_id": ID}]))
    assert client().list_rows(TASKS, {"limit": 1}) == [{"_id": ID}]
    assert server.requests[0].path == server.requests[1].path


def test_giving_up_says_after_how_many_tries(server, client):
    server.will(server.answering(b"<html>", 502, "Bad Gateway"))
    with pytest.raises(errors.ServerFaultError) as caught:
        client(retry_timeout=40).list_rows(TASKS, {})
    assert str(caught.value) == (
        "GET /tasks: 502 Bad Gateway (an HTML page, so hardly from Planhat's API itself) "
        f"(gave up after {len(server.requests)} tries in 40 s). {errors.ServerFaultError.hint}"
    )


def test_the_caller_may_give_up_sooner_on_what_a_smaller_page_may_not_have(server, client, clock):
    server.will(server.answering(b"", 504))
    start = clock.now
    with pytest.raises(errors.ServerFaultError):
        client().list_rows(TASKS, {}, retry_timeout=0)
    with pytest.raises(errors.ServerFaultError):
        client().list_page(TASKS, {}, retry_timeout=0)
    with pytest.raises(errors.ServerFaultError):
        client().bulk_upsert(TASKS, b"[]", repeatable=True, retry_timeout=0)
    with pytest.raises(errors.ServerFaultError):
        client().get(TASKS, "srcid-a", retry_timeout=0)
    assert clock.now == start
    assert len(server.requests) == 4


def test_retries_count_as_calls(server, client, clock):
    server.will(*[server.answering(b"", 429, Retry_After="0")] * 5, server.answering([]))
    start = clock.now
    budget = CallBudget(3, clock=clock.monotonic, sleep=clock.sleep)
    client(budget=budget).list_rows(TASKS, {})
    assert len(server.requests) == 6
    assert clock.now - start >= WINDOW


def test_waiting_for_a_first_turn_takes_no_time_from_the_retries(server, client, clock):
    budget = CallBudget(10, clock=clock.monotonic, sleep=clock.sleep)
    budget.pause(1000)
    server.will(server.answering(b"", 500), server.answering([]))
    assert client(budget=budget, retry_timeout=5).list_rows(TASKS, {}) == []


def test_a_retry_after_holds_the_calls_of_every_thread(server, client, clock):
    start = clock.now
    server.will(server.answering(b"", 429, Retry_After="50"), server.answering([]))
    budget = CallBudget(1000, clock=clock.monotonic)
    budget._sleep = lambda seconds: clock.sleep(seconds)  # noqa: PLW0108 - as it is then
    used = client(budget=budget)
    held = []

    def other(seconds):
        # While one call waits for its retry, another asks for its turn.
        clock.sleep = sleep
        held.append(budget._reserve())
        clock.sleep(seconds)

    sleep, clock.sleep = clock.sleep, other
    used.list_rows(TASKS, {})
    assert held == [pytest.approx(50)]
    assert clock.now - start >= 50


@pytest.mark.parametrize("header", ["X_Rate_Limit_Remaining", "x_ratelimit_remaining"])
def test_the_servers_own_count_is_heeded(server, client, clock, header):
    start = clock.now
    server.will(server.answering([], **{header: "0"}), server.answering([]))
    used = client()
    used.list_rows(TASKS, {})
    used.list_rows(TASKS, {})
    assert clock.now - start == pytest.approx(WINDOW)


def test_answers_of_any_status_tell_the_servers_time(server, client):
    now = datetime(2031, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
    server.will(server.raw(b"HTTP/1.1 403 No\r\nDate: Thu, 02 Jan 2031 03:04:05 GMT\r\n\r\n"))
    caller = client()
    with pytest.raises(errors.PermissionDeniedError):
        caller.list_rows(TASKS, {})
    assert now <= caller.clock.now() < now + timedelta(minutes=5)


def test_a_call_without_retries_counts_once(client, clock):
    used = client(budget=CallBudget(3, clock=clock.monotonic, sleep=clock.sleep))
    for _ in range(3):
        used.list_rows(TASKS, {})
    assert clock.waits == []


@pytest.mark.parametrize("value", ["", "many", "-1", "2.5", "1, 2", "9" * 5000, "٣"])
def test_a_count_that_is_none_is_passed_over(server, client, clock, value):
    if not value.isascii():
        value = value.encode().decode("latin-1")
    headers = {"X_Rate_Limit_Limit": value, "X_Rate_Limit_Remaining": value}
    server.will(server.answering([], **headers))
    used = client()
    used.list_rows(TASKS, {})
    used.list_rows(TASKS, {})
    assert clock.waits == []


def test_the_minute_budget_of_the_settings_is_kept_by_default(settings, monkeypatch):
    made = []
    monkeypatch.setattr(module, "CallBudget", made.append)
    module.PlanhatClient(settings(requests_per_minute=123)).close()
    assert made == [123]


@pytest.mark.parametrize(
    "changes",
    [
        {"api_token": ""},
        {"api_url": "planhat"},
        {"api_url": None, "region": "a.b"},
        {"user_agent": "a\nb"},
        {"requests_per_minute": 0},
        {"request_timeout": 0},
        {"retry_timeout": -1},
    ],
)
def test_settings_that_cannot_be_used_are_refused_before_the_first_call(settings, changes):
    with pytest.raises(errors.SettingsError):
        module.PlanhatClient(settings(**changes))


def test_many_threads_share_a_client_and_its_connections(server, client):
    together = threading.Barrier(4)

    def page(handler):
        together.wait(5)
        offset = int(handler.path.partition("offset=")[2])
        server.answering([{"_id": str(offset)}])(handler)

    server.will(page)
    used = client()
    with ThreadPoolExecutor(4) as pool:
        pages = list(pool.map(lambda n: used.list_rows(TASKS, {"offset": n}), range(40)))
    assert [rows[0]["_id"] for rows in pages] == [str(n) for n in range(40)]
    assert len({request.connection for request in server.requests}) <= 4


def test_an_interrupt_in_mid_answer_ends_the_call(server, client, monkeypatch):
    def interrupt(*_args):
        raise KeyboardInterrupt

    monkeypatch.setattr("planhat_api.calls.transport._response", interrupt)
    with pytest.raises(KeyboardInterrupt):
        client().list_rows(TASKS, {})
    assert len(server.requests) == 1


def test_stopping_ends_the_call_under_way_and_lets_no_other_begin(server, client):
    answering = threading.Event()

    def keep_waiting(handler):
        answering.set()
        handler.connection.recv(1)

    server.will(keep_waiting)
    used = client(retry_timeout=300)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(used.bulk_upsert, TASKS, b"[]", repeatable=True)
        answering.wait()
        used.stop()
        with pytest.raises(errors.TimedOutError, match="not sent again, as the run is to end"):
            waiting.result()
    with pytest.raises(errors.StoppedError, match="the run is to end"):
        used.get(TASKS, ID)
    assert len(server.requests) == 1


def test_a_page_may_be_larger_than_what_other_calls_bring(server, client):
    most = module.LARGEST_RESPONSE
    server.will(server.answering(b"[" + b" " * most + b"]"))
    assert client().list_rows(TASKS, {}) == []
    server.will(server.answering(b"{" + b" " * most + b"}"))
    with pytest.raises(errors.ResponseTooLargeError, match=r"more than 32 MB"):
        client(retry_timeout=0).get(TASKS, ID)


@pytest.mark.parametrize("status", [200, 301, 400, 401, 403, 404, 413, 429, 500])
def test_no_text_ever_holds_the_token(server, client, token, caplog, status):
    shown = token[:20]
    server.will(
        server.answering(
            orjson.dumps({"message": f"got {shown}", "header": f"Bearer {shown}"}),
            status,
            f"No {shown}",
            Location=f"https://evil.example/{shown}",
        )
    )
    used = client(retry_timeout=3)
    with caplog.at_level(logging.DEBUG), pytest.raises(errors.PlanhatError) as caught:
        used.list_rows(TASKS, {})
    told = "".join(traceback.format_exception(caught.value)) + caplog.text
    told += repr(caught.value) + repr(caught.value.args) + repr(used)
    assert token[:8] not in told


@pytest.mark.parametrize("kind", ["hang up", "hang up amid the answer", "fault", "refusal"])
def test_what_is_sent_again_leaves_nothing_behind(server, client, kind):
    """Frames of failed tries would hold the batch until Python looks for garbage, much later."""
    failure = {
        "hang up": server.raw(b""),
        "hang up amid the answer": server.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[{"),
        "fault": server.answering(b"Internal Server Error", 500),
        "refusal": server.answering(b"Too Many Requests", 429),
    }[kind]
    server.will(failure, failure, server.answering([]))
    sending = client()

    class Batch:
        body = b"[]"

    def send():
        batch = Batch()
        sending.bulk_upsert(TASKS, batch.body, repeatable=True)
        return weakref.ref(batch)

    gc.collect()
    gc.disable()
    try:
        assert send()() is None
    finally:
        gc.enable()
    assert len(server.requests) == 3
