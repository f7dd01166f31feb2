from __future__ import annotations

import logging
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from planhat_api import errors
from planhat_api.calls.responses import LONGEST_RETRY_AFTER, ResponseReader, seconds_until
from planhat_api.calls.transport import Response
from planhat_api.redact import Redactor

CALL = "GET /tasks"
HTML = b"<!DOCTYPE html><html><body>Bad gateway</body></html>"
CUT = b'[{"_id":"a","email":"jane@example.com"},{"_i'


@pytest.fixture
def reader(token):
    return ResponseReader(Redactor(token))


def reply(body=b"[]", status=200, reason="Said So", **headers):
    if not isinstance(body, bytes):
        body = orjson.dumps(body)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, reason, CaseInsensitiveDict(named), body)


def failure(read, *args, **kwargs):
    with pytest.raises(errors.PlanhatError) as caught:
        read(reply(*args, **kwargs), CALL)
    # A cause would be printed with the traceback, and may repeat what must not be shown.
    assert caught.value.__cause__ is caught.value.__context__ is None
    return caught.value


def test_rows_are_what_the_list_holds(reader):
    assert reader.rows(reply([{"_id": "a"}, {}]), CALL) == [{"_id": "a"}, {}]
    assert reader.rows(reply([]), CALL) == []


@pytest.mark.parametrize("body", [{"_id": "a"}, [1], [{"_id": "a"}, None], None, "no", 0])
def test_other_json_than_a_list_of_objects_is_no_list(reader, body):
    assert isinstance(failure(reader.rows, body), errors.NotJsonError)


def test_a_message_in_place_of_a_list_is_shown_but_no_record_is(reader):
    assert "not a list of objects: try later" in str(failure(reader.rows, {"message": "try later"}))
    assert "jane" not in str(failure(reader.rows, {"email": "jane@example.com"}))


def test_an_html_page_with_a_good_status_is_told_from_planhats_answer(reader):
    error = failure(reader.rows, HTML)
    assert isinstance(error, errors.NotJsonError)
    assert "an HTML page, so hardly from Planhat" in str(error)
    assert "region or api_url" in str(error)
    assert "<" not in str(error)
    assert not error.too_much


@pytest.mark.parametrize("body", [b"", b"  \n", b"OK", b"\xff\xfe[]"])
def test_no_json_with_a_good_status_is_an_error_that_may_pass(reader, body):
    assert isinstance(failure(reader.rows, body), errors.NotJsonError)


def test_json_that_breaks_off_is_not_shown_and_may_be_asked_for_in_parts(reader):
    error = failure(reader.rows, CUT)
    assert isinstance(error, errors.NotJsonError)
    assert error.too_much
    assert f"({len(CUT)} bytes) is broken off" in str(error)
    assert "jane" not in str(error)


@pytest.mark.parametrize("status", [201, 202, 204, 206])
def test_a_list_comes_with_status_200_only(reader, status):
    assert isinstance(failure(reader.rows, b"[]", status), errors.NotJsonError)


def test_a_page_that_looks_like_a_list_is_decoded_when_it_is_wanted(reader):
    page = reader.page(reply(b'[{"_id":"a"}]'), CALL)
    assert page.size == 13
    assert page.rows() == [{"_id": "a"}]


@pytest.mark.parametrize("body", [b" [{}]\n", b"\xef\xbb\xbf[{}]"])
def test_a_page_of_another_outline_is_looked_into_at_once(reader, body):
    assert reader.page(reply(body), CALL).rows() == [{}]


@pytest.mark.parametrize("body", [CUT, HTML, b"", b"{}", b"[1] ", b"no]"])
def test_a_page_without_the_outline_of_a_list_is_no_page(reader, body):
    assert isinstance(failure(reader.page, body), errors.NotJsonError)


def test_a_page_that_is_refused_is_no_page(reader):
    assert isinstance(failure(reader.page, b"[]", 401), errors.AuthenticationError)


@pytest.mark.parametrize("body", [b"[1]", b'[{"a":]'])
def test_a_page_that_is_faulty_inside_says_so_when_it_is_decoded(reader, body):
    page = reader.page(reply(body), CALL)
    with pytest.raises(errors.NotJsonError):
        page.rows()


def test_a_byte_order_mark_before_the_json_is_passed_over(reader):
    assert reader.rows(reply(b"\xef\xbb\xbf[{}]"), CALL) == [{}]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (rb'[{"snippet": "cut \ud83d"}]', "cut \ufffd"),
        (rb'[{"snippet": "\uDE00 left"}]', "\ufffd left"),
        (rb'[{"snippet": "a\ud83dz \ud83d\ude00 \u00e9 \\ud83d"}]', "a\ufffdz 😀 é \\ud83d"),
    ],
)
def test_half_a_character_costs_that_character_and_no_page(reader, body, text, caplog):
    with caplog.at_level(logging.WARNING):
        assert reader.rows(reply(body), CALL) == [{"snippet": text}]
    assert "half characters" in caplog.text
    assert text not in caplog.text


@pytest.mark.parametrize("body", [rb'[{"a": "\ud83d"', rb'[NaN, "\ud83d"]', rb'[{"a": "\ud8"}]'])
def test_half_a_character_excuses_nothing_else(reader, body):
    assert isinstance(failure(reader.rows, body), errors.NotJsonError)


@pytest.mark.parametrize("body", [{"_id": "a"}, {}])
def test_a_record_is_the_object_that_came(reader, body):
    assert reader.record(reply(body), CALL) == body


def test_a_record_that_is_not_there_is_none(reader):
    assert reader.record(reply(b"Not found", 404), CALL) is None
    assert reader.record(reply(b"null"), CALL) == {}


@pytest.mark.parametrize(("body", "status"), [([], 200), ("a", 200), (HTML, 200), (b"", 204)])
def test_what_is_no_record_is_not_taken_for_none(reader, body, status):
    assert isinstance(failure(reader.record, body, status), errors.NotJsonError)


@pytest.mark.parametrize("status", [200, 201, 206, 207, 400, 403])
def test_a_bulk_answer_with_json_is_handed_on_unjudged(reader, status):
    answer = reader.upserted(reply({"created": 1}, status), CALL)
    assert (answer.status, answer.body, answer.text) == (status, {"created": 1}, "")


@pytest.mark.parametrize("status", [206, 400, 403])
def test_a_bulk_refusal_in_plain_words_is_handed_on_with_them(reader, token, status):
    answer = reader.upserted(reply(f"bad {token}".encode(), status), CALL)
    assert (answer.status, answer.body, answer.text) == (status, None, "bad ***")


def test_the_words_of_a_bulk_answer_come_with_what_takes_the_token_out(reader, token):
    answer = reader.upserted(reply({"createdErrors": [f"no {token}"]}, 206), CALL)
    assert answer.hide(answer.body["createdErrors"][0]) == "no ***"


@pytest.mark.parametrize("body", [b"", b"OK", HTML, b'{"created": 1, "upd'])
@pytest.mark.parametrize("status", [200, 201, 204])
def test_a_bulk_success_without_json_is_not_taken_for_success(reader, body, status):
    assert isinstance(failure(reader.upserted, body, status), errors.NotJsonError)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, errors.AuthenticationError),
        (404, errors.NotFoundError),
        (413, errors.TooLargeError),
        (429, errors.RateLimitedError),
        (500, errors.ServerFaultError),
    ],
)
def test_a_bulk_answer_that_speaks_of_no_item_is_an_error(reader, status, kind):
    assert isinstance(failure(reader.upserted, {"created": 0}, status), kind)


@pytest.mark.parametrize(
    ("body", "status", "gone"),
    [
        ({"n": 1, "ok": 1, "deletedCount": 1}, 200, True),
        ({"n": 0, "ok": 1, "deletedCount": 0}, 200, False),
        ({"_id": "6102e3b08084189dcbf0e3f0", "subject": "x"}, 200, True),
        (b"", 200, True),
        (b" ", 202, True),
        (b"", 204, True),
        (b"Not found", 404, False),
    ],
)
def test_a_deletion_says_whether_there_was_something_to_delete(reader, body, status, gone):
    assert reader.deleted(reply(body, status), CALL) is gone


@pytest.mark.parametrize(("body", "status"), [(HTML, 200), (b"OK", 200), (b"", 403), (b"", 302)])
def test_what_does_not_say_that_a_record_is_gone_is_an_error(reader, body, status):
    failure(reader.deleted, body, status)


@pytest.mark.parametrize("method", ["rows", "record", "upserted", "deleted"])
def test_a_redirect_is_explained(reader, method):
    error = failure(getattr(reader, method), b"", 302, Location="https://login.example")
    assert str(error).startswith("GET /tasks: 302 a redirect, which Planhat's API never sends; ")
    assert "region or api_url" in str(error)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"No such token", "401 No such token. "),
        ({"message": "No such token"}, "401 No such token. "),
        ({"error": "No such token"}, "401 No such token. "),
        ({"error": {"code": 7}}, '401 {"error":{"code":7}}. '),
        ("No such token", "401 No such token. "),
        (b"\xef\xbb\xbf  No\r\n such  token", "401 No such token. "),
        (b"caf\xe9 " + b"x" * 5000, "401 caf\ufffd xxx"),
        (b"", "401 Said So. "),
        (HTML, "401 Said So (an HTML page, so hardly from Planhat's API itself). "),
    ],
)
def test_an_error_repeats_what_the_server_said(reader, body, words):
    assert f"GET /tasks: {words}" in str(failure(reader.rows, body, 401))


def test_html_is_known_by_its_type_as_well(reader):
    error = failure(reader.rows, b"hello", 500, Content_Type="Text/HTML; charset=utf-8")
    assert "an HTML page" in str(error)


def test_an_answer_of_nothing_at_all_is_called_that(reader):
    assert "401 an empty answer" in str(failure(reader.rows, b"", 401, ""))


@pytest.mark.parametrize("method", ["rows", "record", "upserted", "deleted"])
@pytest.mark.parametrize("status", [200, 302, 401, 404, 413, 429, 500])
@pytest.mark.parametrize("form", ["%s", '{"message": "%s"}', '{"error": ["%s"]}', "<p>%s"])
def test_a_server_that_repeats_the_token_does_not_get_it_shown(reader, token, method, status, form):
    for shown in (token, token[:-3], token[3:]):
        answer = reply(form.replace("%s", shown).encode(), status, f"I know {shown}")
        try:
            told = repr(getattr(reader, method)(answer, CALL))
        except errors.PlanhatError as error:
            told = f"{error} {error!r}"
        if method == "record" and status == 200 and form[0] == "{":
            continue  # That is the record itself.
        if method == "upserted" and status == 200 and form[0] == "{":
            continue
        assert token[3:11] not in told


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_retry_after_is_kept_with_the_error(reader, status):
    assert failure(reader.rows, b"", status, Retry_After="7").retry_after == 7
    assert failure(reader.rows, b"", status).retry_after is None


NOW = datetime(2024, 3, 1, 12, 0, 0, tzinfo=timezone.utc)


def http_date(seconds):
    return format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        (" 1.5 ", 1.5),
        (str(int(LONGEST_RETRY_AFTER)), LONGEST_RETRY_AFTER),
        (http_date(90), 90),
        (http_date(-90), 0),
        ("Friday, 01-Mar-24 12:00:05 GMT", 5),
        ("Fri Mar  1 12:00:05 2024", 5),
        ("Fri, 01 Mar 2024 14:00:05 +0200", 5),
    ],
)
def test_a_retry_after_may_hold_seconds_or_a_date_by_the_servers_clock(header, seconds):
    assert seconds_until(header, http_date(0)) == seconds


def test_a_date_without_the_servers_clock_is_read_by_ours():
    header = format_datetime(datetime.now(timezone.utc) + timedelta(seconds=50), usegmt=True)
    assert 45 < seconds_until(header) <= 50
    assert 45 < seconds_until(header, "today") <= 50


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        " ",
        "soon",
        "-5",
        "1e3",
        "NaN",
        "Infinity",
        "1_0",
        "٣",
        "5, 5",
        "86401",
        "9" * 5000,
        "1709290800000",
        http_date(100_000),
        "Fri, 99 Mar 2024 12:00:05 GMT",
    ],
)
def test_a_retry_after_that_says_nothing_usable_is_passed_over(header):
    assert seconds_until(header, http_date(0)) is None


@pytest.mark.untraced
@settings(max_examples=100, deadline=None)
@given(st.text(max_size=40), st.none() | st.text(max_size=40))
def test_no_retry_after_does_harm(header, date):
    seconds = seconds_until(header, date)
    assert seconds is None or 0 <= seconds <= LONGEST_RETRY_AFTER
