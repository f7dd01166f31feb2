"""Whatever is logged, and by whom: each message is one line without token and escapes."""

from __future__ import annotations

import io
import json
import logging
import warnings

import pytest
from singer_sdk import metrics
from singer_sdk.logging import ConsoleFormatter, StructuredFormatter

from planhat_api import errors, logs
from planhat_api.client import PlanhatClient
from planhat_api.resources import TASKS
from planhat_api.settings import ClientSettings

NAME = "a\x1b[31m\nERROR fake\r\x9b\u2028\u202e\x00"


@pytest.fixture
def log(request, monkeypatch, token, caplog):
    """Return what is logged by anybody, in the format that a test asks for."""
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(logs, "_redactors", {})
    ClientSettings.of({"api_token": token})
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(getattr(request, "param", ConsoleFormatter)())
    formatters = {each: each.formatter for each in logging.root.handlers}
    logging.root.addHandler(handler)
    logs.protect_logs()
    yield stream.getvalue
    logging.root.removeHandler(handler)
    for each, formatter in formatters.items():
        each.setFormatter(formatter)


BOTH = pytest.mark.parametrize("log", [ConsoleFormatter, StructuredFormatter], indirect=True)


@BOTH
@pytest.mark.parametrize("name", ["tap-planhat", "urllib3.connection", "singer_sdk.streams", ""])
def test_names_from_outside_cannot_forge_a_line_or_show_the_token(log, token, name):
    logging.getLogger(name).error("no column %s for %s", NAME, token)
    text = log()
    assert text.count("\n") == 1
    assert text[:-1].isprintable()
    assert token not in text
    if text.startswith("{"):
        text = json.loads(text)["message"]
    assert "ERROR fake" in text
    assert "for ***" in text
    assert text.rstrip("\n").isprintable()


@BOTH
def test_a_traceback_stays_readable_without_token_and_forged_lines(log, token):
    try:
        int(f"bad {NAME} and {token}")
    except ValueError:
        logging.getLogger("any").exception("it failed")
    text = log()
    assert "ValueError" in text
    assert token not in text
    assert "\x1b" not in text
    first, *more = text.rstrip("\n").split("\n")
    assert "it failed" in first
    assert all(line.startswith("    ") for line in more)


@BOTH
def test_a_message_that_does_not_fit_its_values_is_still_written(log):
    logging.getLogger("any").warning("%d rows of %s", "many")  # noqa: PLE1206
    assert "rows of" in log()
    assert "many" in log()


@BOTH
def test_a_percent_sign_stays_one(log):
    logging.getLogger("any").warning("100 %s of the rows")
    logging.getLogger("any").warning("%s", "50% of %s")
    assert "100 %s of the rows" in log()
    assert "50% of %s" in log()


@pytest.mark.parametrize("log", [StructuredFormatter], indirect=True)
def test_a_metric_of_the_sdk_stays_one(log):
    point = metrics.Point("counter", metrics.Metric.RECORD_COUNT, 7, {"stream": "tasks"})
    metrics.log(logging.getLogger("any"), point)
    assert json.loads(log())["metric_info"]["value"] == 7


@pytest.mark.parametrize("log", [StructuredFormatter], indirect=True)
def test_what_is_added_to_a_message_is_safe_too(log, token):
    logging.getLogger("any").warning("see", extra={"stream_name": NAME, "seen": [token]})
    assert token not in log()
    assert json.loads(log())["stream_name"].isprintable()


def test_warnings_that_go_to_the_log_are_safe_too(log, token):
    logging.captureWarnings(capture=True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            logging.captureWarnings(capture=True)
            warnings.warn(f"old {NAME} {token}", stacklevel=1)
    finally:
        logging.captureWarnings(capture=False)
    assert "old a" in log()
    assert token not in log()
    assert "\x1b" not in log()


def test_headers_that_urllib3_complains_of_show_no_token(log, server, token):
    head = f"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nBad {token}\x1b[2J header\r\nMore: 1\r\n\r\n[]"
    server.will(server.raw(head.encode()))
    used = PlanhatClient(ClientSettings.of({"api_token": token, "api_url": server.url}))
    used.list_rows(TASKS, {})
    used.close()
    assert "Failed to parse headers" in log()
    assert "Traceback" not in log()
    assert token not in log()
    assert token[:12] not in log()
    assert "\x1b" not in log()


def test_an_endless_message_is_cut(log):
    logging.getLogger("any").warning("x" * 10**6)
    assert len(log()) < 11_000


def test_handlers_of_any_logger_are_protected_once(log, token):  # noqa: ARG001
    own = logging.getLogger("any.other")
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    own.addHandler(handler)
    try:
        logs.protect_logs()
        formatter = handler.formatter
        logs.protect_logs()
        own.warning("%s", token)
        assert handler.formatter is formatter
        assert stream.getvalue() == "***\n"
    finally:
        own.removeHandler(handler)


def test_a_token_that_may_be_any_word_is_left_in_the_log(log):
    ClientSettings.of({"api_token": "sandbox"})
    logging.getLogger("any").warning("planhat-sandbox")
    assert "planhat-sandbox" in log()


def test_a_token_without_a_name_is_asked_for():
    with pytest.raises(errors.SettingsError, match="api_token is empty"):
        ClientSettings.of({"region": "eu2"})
