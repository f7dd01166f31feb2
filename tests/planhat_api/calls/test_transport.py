from __future__ import annotations

import contextlib
import gc
import gzip
import logging
import queue
import socket
import ssl
import threading
import time
import traceback
import tracemalloc
import zlib
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import MaxRetryError, SSLError

from planhat_api import errors
from planhat_api.calls.connections import is_loopback

CALL = "GET /tasks"


def get(transport, params=None):
    return transport.send("GET", "/tasks", CALL, params)


@pytest.fixture
def failing(monkeypatch):
    """Make every request fail with an exception in place of an answer."""

    def fail(error):
        def send(*_args, **_kwargs):
            raise error

        monkeypatch.setattr(HTTPAdapter, "send", send)

    return fail


def trickle(handler, piece=b" "):
    while True:
        handler.wfile.write(piece)
        handler.wfile.flush()
        time.sleep(0.002)


def silence(handler):
    """Say nothing until the client hangs up."""
    handler.connection.recv(1)


def test_a_request_carries_the_token_and_says_who_asks_for_what(server, transport, token):
    get(transport(), {"limit": 2, "select": "_id,name"})
    (request,) = server.requests
    assert request.method == "GET"
    assert request.path == "/tasks?limit=2&select=_id%2Cname"
    assert request.headers["Authorization"] == f"Bearer {token}"
    assert request.headers["Accept"] == "application/json"
    assert request.headers["User-Agent"] == "singer-planhat"
    assert request.headers["Content-Type"] is None


def test_a_body_is_sent_as_json_with_its_length(server, transport):
    transport(user_agent="us/1").send("PUT", "/tasks", "PUT /tasks", None, b'[{"a":1}]')
    (request,) = server.requests
    assert request.body == b'[{"a":1}]'
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["Content-Length"] == "9"
    assert request.headers["User-Agent"] == "us/1"


def test_a_reply_holds_the_whole_answer(server, transport):
    server.will(server.answering(b"no", 418, "Short", X_Rate_Limit_Limit="7"))
    reply = get(transport())
    assert (reply.status, reply.reason, reply.body) == (418, "Short", b"no")
    assert reply.headers["x-rate-limit-limit"] == "7"


def test_a_netrc_sets_no_other_authorization(server, transport, token, monkeypatch, tmp_path):
    (tmp_path / "netrc").write_text("default login somebody password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    get(transport())
    assert server.requests[0].headers["Authorization"] == f"Bearer {token}"


def test_a_proxy_of_the_environment_is_used(server, transport, monkeypatch):
    monkeypatch.setenv("http_proxy", server.url)
    get(transport(api_url="http://planhat.invalid/v1/"))
    assert server.requests[0].path == "http://planhat.invalid/v1/tasks"


def test_cookies_are_not_kept(server, transport):
    server.will(server.answering(Set_Cookie="session=1; Path=/"))
    used = transport()
    get(used)
    get(used)
    assert server.requests[1].headers["Cookie"] is None


@pytest.mark.parametrize("status", [200, 204, 400, 500])
def test_one_connection_serves_call_after_call(server, transport, status):
    server.will(server.answering(b"" if status == 204 else b"{}" * 5000, status))
    used = transport()
    for _ in range(3):
        get(used)
    assert len({request.connection for request in server.requests}) == 1


def test_a_chunked_answer_leaves_its_connection_to_the_next_call(server, transport):
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n[\r\n1\r\n]\r\n0\r\n\r\n"
    server.will(lambda handler: handler.wfile.write(chunked))
    used = transport()
    assert [get(used).body for _ in range(3)] == [b"[]"] * 3
    assert len({request.connection for request in server.requests}) == 1


@pytest.mark.parametrize("location", ["/elsewhere", "http://[", "http://"])
def test_a_redirect_is_not_followed(server, transport, location):
    server.will(server.answering(b"", 302, Location=location))
    assert get(transport()).status == 302
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n[{},{}\r\n",
    ],
)
def test_an_answer_that_breaks_off_is_no_answer(server, transport, head):
    server.will(server.raw(head + b"[{}]" if head.endswith(b"64\r\n\r\n") else head))
    with pytest.raises(
        errors.ConnectionLostError, match=r"the connection to 127\S+ broke: Incomplete"
    ):
        get(transport())


def test_no_byte_of_a_broken_answer_is_taken_for_a_whole(server, transport):
    # What has come so far is sound JSON.
    server.will(server.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[{}]"))
    with pytest.raises(errors.ConnectionLostError):
        get(transport())


def test_a_connection_closed_without_an_answer_is_lost(server, transport):
    server.will(server.raw(b""))
    with pytest.raises(errors.ConnectionLostError, match="closed connection without response"):
        get(transport())


def test_a_compressed_answer_is_decompressed(server, transport):
    text = b"[" + b"1," * 3_000_000 + b"1]"
    server.will(server.answering(gzip.compress(text), Content_Encoding="gzip"))
    assert get(transport()).body == text


def test_an_answer_that_is_not_compressed_as_it_says_is_an_error(server, transport):
    server.will(server.answering(b"plain", Content_Encoding="gzip"))
    with pytest.raises(errors.ConnectionLostError):
        get(transport())


def test_a_server_that_says_nothing_times_out(server, transport):
    server.will(silence)
    with pytest.raises(errors.TimedOutError, match=r"no whole answer within 1 s from 127\."):
        get(transport(request_timeout=1))


def test_a_server_that_falls_silent_in_mid_answer_times_out(server, transport):
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[{}"
    server.will(server.raw(head, then=silence))
    with pytest.raises(errors.TimedOutError):
        get(transport(request_timeout=1))


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b" "),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFF\r\n", b" "),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;a=", b"x"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n", b"X: y\r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\nX: ", b"y"),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n[]", b" "),
        (b"HTTP/1.1 200 OK\r\nX: ", b"y"),
        (b"HTTP/1.1 200 ", b"O"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 100 Continue\r\nX: ", b"y"),
    ],
)
def test_an_answer_that_only_trickles_ends_with_the_time_for_a_call(server, transport, head, piece):
    server.will(server.raw(head, then=lambda handler: trickle(handler, piece)))
    started = time.monotonic()
    # From 3.14.8 on, http.client itself takes no more than 100 trailers or interim responses.
    with pytest.raises((errors.TimedOutError, errors.ConnectionLostError)) as ended:
        get(transport(request_timeout=1))
    assert ended.type is errors.TimedOutError or "more than 100" in str(ended.value)
    assert time.monotonic() - started < 5


@pytest.fixture
def bare_server():
    """Make a server of bytes: what a function does with each connection to it."""
    open_sockets, threads = [], []

    def make(talk):
        listener = socket.create_server(("127.0.0.1", 0))
        open_sockets.append(listener)

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection, contextlib.suppress(OSError):
                        talk(connection)

        threads.append(threading.Thread(target=serve))
        threads[-1].start()
        return listener.getsockname()[1]

    yield make
    for listener in open_sockets:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
    for thread in threads:
        thread.join()


def drip(connection, head=b""):
    connection.sendall(head)
    while True:
        connection.sendall(b"x")
        time.sleep(0.002)


def test_a_tls_handshake_that_only_trickles_ends_with_the_time_for_a_call(bare_server, transport):
    port = bare_server(lambda connection: drip(connection, b"\x16\x03\x03\x40\x00"))
    with pytest.raises(errors.RetriableError, match="no whole answer within 1 s"):
        get(transport(api_url=f"https://127.0.0.1:{port}", request_timeout=1))


def test_a_proxy_that_only_trickles_ends_with_the_time_for_a_call(
    bare_server, transport, monkeypatch
):
    port = bare_server(lambda connection: drip(connection, b"HTTP/1.1 200 OK\r\nX: "))
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{port}")
    with pytest.raises(errors.RetriableError, match=f"through the proxy 127.0.0.1:{port}"):
        get(transport(api_url="https://planhat.invalid", request_timeout=1))


def test_a_server_that_takes_the_body_in_drips_ends_with_the_time_for_a_call(server, transport):
    server.leave_body = True
    ended = threading.Event()

    def take(handler):
        while not ended.wait(0.01):
            handler.connection.recv(1000)
        handler.close_connection = True

    server.will(take)
    with pytest.raises(errors.TimedOutError, match="within 1 s"):
        transport(request_timeout=1).send("PUT", "/t", "PUT /t", None, b"x" * 50_000_000)
    # What is still on its way would take the server half a minute.
    ended.set()


def test_a_call_that_was_ended_leaves_no_thread_and_no_socket_behind(server, transport):
    server.will(server.raw(b"HTTP/1.1 200 ", then=trickle), server.answering(b"[]"))
    used = transport(request_timeout=1)
    # Of tests before this one.
    others = set(threading.enumerate())
    with pytest.raises(errors.TimedOutError):
        get(used)
    assert get(used).body == b"[]"
    used.close()
    left = set(threading.enumerate()) - others
    assert not any(each.name == "planhat-deadlines" for each in left)


def test_calls_under_way_can_be_ended_from_outside(server, transport):
    asked = threading.Barrier(3)

    def wait(handler):
        asked.wait()
        handler.connection.recv(1)

    server.will(wait)
    used = transport()
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(get, used) for _ in range(2)]
        asked.wait()
        used.end_within(0)
        for each in waiting:
            assert isinstance(each.exception(), errors.TimedOutError)


@pytest.mark.parametrize("status", [b"103 Early Hints", b"102 Processing"])
def test_an_answer_that_is_not_final_is_not_mistaken_for_that_to_the_next_call(
    bare_server, transport, status
):
    connections = []

    def talk(connection):
        connections.append(connection)
        connection.recv(10_000)
        if len(connections) == 1:
            connection.sendall(b"HTTP/1.1 " + status + b"\r\n\r\n")
            # The answer to the first request comes when the second one does.
            if connection.recv(10_000):
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n[666]")
        else:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]")

    used = transport(api_url=f"http://127.0.0.1:{bare_server(talk)}")
    with pytest.raises(errors.ConnectionLostError, match="which is not final"):
        get(used)
    assert get(used).body == b"[]"


def bomb(size):
    """Return a gzip of so many zeros."""
    packer = zlib.compressobj(9, wbits=31)
    pieces = [packer.compress(bytes(1 << 20)) for _ in range(size >> 20)]
    return b"".join((*pieces, packer.flush()))


@pytest.mark.untraced
@pytest.mark.parametrize(
    ("encoding", "pack"),
    [("gzip", lambda data: data), ("gzip, gzip", gzip.compress), ("deflate", None)],
)
def test_an_answer_that_unpacks_to_more_than_memory_is_given_up(server, transport, encoding, pack):
    body = zlib.compress(bytes(300 << 20), 9) if pack is None else pack(bomb(300 << 20))
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\nContent-Length: {len(body)}\r\n\r\n"
    server.will(server.raw(head.encode() + body))
    used = transport()
    tracemalloc.start()
    try:
        with pytest.raises(errors.ResponseTooLargeError, match="more than 32 MB came back") as made:
            get(used)
        assert tracemalloc.get_traced_memory()[1] < 60_000_000
    finally:
        tracemalloc.stop()
    assert made.value.too_much


def test_an_answer_without_end_is_given_up(server, transport):
    head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
    server.will(server.raw(head, then=lambda handler: trickle(handler, bytes(1 << 20))))
    with pytest.raises(errors.ResponseTooLargeError):
        get(transport())


def test_a_slow_upload_may_take_longer_than_a_connection(server, transport, monkeypatch):
    monkeypatch.setattr("planhat_api.calls.transport.CONNECT_TIMEOUT", 0.15)
    body = b"x" * 12_000_000
    server.leave_body = True

    def read_slowly(handler):
        left = len(body)
        while left:
            time.sleep(0.003)
            left -= len(handler.rfile.read(min(left, 100_000)))
        server.answering(b"[]")(handler)

    server.will(read_slowly)
    assert transport().send("PUT", "/tasks", "PUT /tasks", None, body).status == 200


def test_a_host_that_refuses_is_named_and_known_not_to_have_done_anything(transport):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(errors.UnreachableError) as caught:
        get(transport(api_url=f"http://127.0.0.1:{port}"))
    assert str(caught.value) == (
        f"GET /tasks: no connection to 127.0.0.1:{port}: Connection refused. "
        "Check region or api_url, and the network"
    )
    assert caught.value.not_done


def test_a_host_that_does_not_exist_is_named(transport, monkeypatch):
    def resolve(*_args, **_kwargs):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(errors.UnreachableError) as caught:
        get(transport(api_url=None, region="eu9"))
    assert "no connection to api-eu9.planhat.com: Name or service not known" in str(caught.value)


def test_a_call_ends_in_time_though_its_host_is_still_looked_up(transport, monkeypatch, server):
    found = threading.Event()
    client = transport(api_url=f"http://planhat.invalid:{server.server_port}")
    look_up = socket.getaddrinfo

    def resolve(*_args, **_kwargs):
        client.end_within(0)
        found.wait()
        return look_up("127.0.0.1", server.server_port, 0, socket.SOCK_STREAM)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(errors.UnreachableError, match=r"planhat\.invalid.* not found in time"):
        get(client)
    found.set()
    for thread in threading.enumerate():
        if thread.name == "planhat-connecting":
            thread.join()
    # A connection that comes about later is closed unused; left open it would be a warning.
    gc.collect()
    assert server.requests == []


def test_a_connection_that_does_not_come_about_is_told_from_a_late_answer(transport, failing):
    failing(requests.ConnectTimeout())
    with pytest.raises(errors.UnreachableError, match=r"no connection to 127\.\S+ within 10 s"):
        get(transport())


def test_a_proxy_that_cannot_be_reached_is_no_lost_answer(server, transport, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("http_proxy", f"http://me:secret@127.0.0.1:{free.getsockname()[1]}")
    with pytest.raises(errors.UnreachableError, match="Connection refused") as caught:
        get(transport(api_url="http://planhat.invalid"))
    message = str(caught.value)
    assert "no connection through the proxy 127.0.0.1:" in message
    assert "Check the proxy that HTTPS_PROXY" in message
    assert "planhat.invalid" not in message
    assert "secret" not in message
    assert server.requests == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_this_machine_is_not_reached_through_a_proxy(server, transport, monkeypatch, host):
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "example.com")
    port = server.url.rpartition(":")[2]
    assert get(transport(api_url=f"http://{host}:{port}")).status == 200


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.2", True),
        ("::1", True),
        ("localhost", True),
        ("planhat.localhost", True),
        ("10.0.0.1", False),
        ("localhost.example", False),
        ("", False),
    ],
)
def test_a_loopback_host_is_known_by_name_and_address(host, loopback):
    assert is_loopback(host) is loopback


@pytest.mark.parametrize(
    ("url", "warned"),
    [("http://planhat.example", True), ("https://planhat.example", False)],
)
def test_a_token_sent_in_the_clear_to_another_host_is_warned_of(transport, caplog, url, warned):
    transport(api_url=url)
    transport()
    assert ("use https://" in caplog.text) is warned


def test_a_certificate_that_proves_nothing_is_not_tried_again(transport, failing):
    bad = ssl.SSLCertVerificationError(1, "certificate verify failed: self-signed certificate")
    failing(requests.exceptions.SSLError(MaxRetryError(None, "/", SSLError(bad))))
    with pytest.raises(errors.UntrustedError, match="self-signed certificate") as caught:
        get(transport())
    assert "REQUESTS_CA_BUNDLE" in str(caught.value)
    assert not isinstance(caught.value, errors.RetriableError)


def test_a_tls_failure_of_another_kind_may_pass(transport, failing):
    bad = ssl.SSLEOFError(8, "EOF occurred in violation of protocol")
    failing(requests.exceptions.SSLError(MaxRetryError(None, "/", SSLError(bad))))
    with pytest.raises(errors.ConnectionLostError, match="EOF occurred"):
        get(transport())


def test_a_missing_file_of_certificates_is_a_matter_of_settings(transport, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/no/such/file")
    with pytest.raises(errors.SettingsError, match="/no/such/file"):
        get(transport(api_url="https://127.0.0.1:9"))


def test_a_proxy_that_asks_for_a_password_is_no_lost_answer(server, transport, monkeypatch):
    server.will(server.answering(b"", 407, "Proxy Authentication Required"))
    monkeypatch.setenv("https_proxy", server.url)
    with pytest.raises(errors.UnreachableError, match="407 Proxy Authentication Required"):
        get(transport(api_url="https://planhat.invalid"))
    assert server.requests[0].method == "CONNECT"
    assert server.requests[0].headers["Authorization"] is None


def test_a_proxy_that_needs_more_software_is_a_matter_of_settings(transport, failing):
    failing(requests.exceptions.InvalidSchema("Missing dependencies for SOCKS support."))
    with pytest.raises(errors.SettingsError, match="a proxy's URL"):
        get(transport())


@pytest.mark.parametrize(
    "proxy", ["http://me:secret@host:99999", "http:///me:secret", "http://me:secret@[::1"]
)
def test_a_proxy_url_that_is_none_is_a_matter_of_settings(transport, monkeypatch, proxy):
    monkeypatch.setenv("http_proxy", proxy)
    with pytest.raises(errors.SettingsError, match="proxy") as caught:
        get(transport(api_url="http://planhat.invalid"))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_passes(transport, failing, error):
    failing(error())
    with pytest.raises(error):
        get(transport())


@pytest.mark.parametrize(
    "answer",
    [
        b"Bearer %s is what you sent\r\n\r\n",
        b"HTTP/1.1 %s\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%s\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: %s\r\nContent-Encoding: gzip\r\n\r\n%s",
    ],
)
def test_a_server_that_repeats_the_token_does_not_get_it_shown(
    server, transport, token, answer, caplog
):
    caplog.set_level(logging.DEBUG)
    server.will(server.raw(answer.replace(b"%s", token.encode())))
    with pytest.raises(errors.RetriableError) as caught:
        get(transport())
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + caplog.text
    assert token not in shown
    assert token[:10] not in shown


def test_closing_closes_the_connections(server, transport):
    used = transport()
    get(used)
    used.close()
    get(used)
    assert len({request.connection for request in server.requests}) == 2


def test_closing_leaves_no_connection_open_even_after_a_failure(server, transport):
    heard = queue.Queue()

    def listen_on(handler):
        server.answering()(handler)
        heard.put(handler.connection.recv(1))

    server.will(server.raw(b""), listen_on)
    used = transport()
    gc.disable()  # urllib3's errors go in circles, which keep a connection alive until then.
    try:
        with pytest.raises(errors.ConnectionLostError):
            get(used)
        get(used)
        used.close()
        assert heard.get(timeout=2) == b""
    finally:
        gc.enable()


def test_an_error_does_not_carry_what_it_was_made_from(server, transport):
    server.will(server.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[{}"))
    with pytest.raises(errors.ConnectionLostError) as caught:
        get(transport())
    assert caught.value.__cause__ is caught.value.__context__ is None
