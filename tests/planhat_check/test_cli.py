"""The command: its settings, its first errors, its output and its exit code."""

from __future__ import annotations

import json
import logging
import re
import signal
import sys

import pytest

from planhat_check import cli
from planhat_check.finding import Finding, Status
from planhat_check.report import as_json, as_table

TOKEN = "a-token-of-some-length"


@pytest.fixture(autouse=True)
def _process_as_before(monkeypatch, tmp_path):
    for prefix in ("TAP_PLANHAT_", "TARGET_PLANHAT_"):
        for name in ("API_TOKEN", "API_URL", "REGION"):
            monkeypatch.delenv(prefix + name, raising=False)
    monkeypatch.chdir(tmp_path)
    handler = signal.getsignal(signal.SIGTERM)
    handlers = list(logging.root.handlers)
    formatters = {each: each.formatter for each in handlers}
    yield
    signal.signal(signal.SIGTERM, handler)
    logging.root.handlers[:] = handlers
    for each, formatter in formatters.items():
        each.setFormatter(formatter)


@pytest.fixture
def run(monkeypatch, capsys, caplog, tmp_path):
    """Run the command; return exit code, output, and what it complains of."""

    def run(*options, config=None, environment=None):
        if config is not None:
            path = tmp_path / "config.json"
            path.write_text(config if isinstance(config, str) else json.dumps(config))
            options = ["--config", str(path), *options]
        for name, value in (environment or {}).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["planhat-check", *options])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        captured = capsys.readouterr()
        return ended.value.code, captured.out, "\n".join([captured.err, *caplog.messages])

    return run


def test_a_good_tenant_ends_with_0_and_a_table(run, lists):
    code, out, log = run(config={"api_token": TOKEN, "api_url": lists.url, "start_date": "2024"})
    assert code == 0
    assert out.startswith("tenant\n  ok    token and region")
    assert "tasks (isArchived=false)" in out
    assert " ok" in out.splitlines()[-1]
    assert log.strip() == ""


def test_a_terminal_shows_how_far_it_has_come_until_the_table(run, lists, monkeypatch):
    config = {"api_token": TOKEN, "api_url": lists.url}
    assert "of at most 30 calls" not in run(config=config)[2]
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    code, out, log = run(config=config)
    assert (code, "\x1b" in out) == (0, False)
    lines = log.split("\r\x1b[K")
    assert lines[1] == "1 of at most 30 calls, GET /campaigns ..."
    assert re.fullmatch(r"2\d of at most 30 calls, GET /tasks \.\.\.", lines[-2])
    assert lines[-1].strip() == ""


def test_json_holds_every_finding_with_what_was_seen_and_what_follows(run, lists):
    code, out, _ = run("--json", config={"api_token": TOKEN, "api_url": lists.url})
    findings = json.loads(out)["findings"]
    assert code == 0
    assert all(set(each) == {"resource", "check", "status", "seen", "follows"} for each in findings)
    assert {each["status"] for each in findings} <= {"ok", "warn", "fail", "unknown"}


def test_what_failed_ends_with_1(run, lists):
    lists.manners.add("unsorted")
    code, out, _ = run(config={"api_token": TOKEN, "api_url": lists.url})
    assert code == 1
    assert "FAIL  sort=_id" in out


@pytest.mark.parametrize("prefix", ["TAP_PLANHAT_", "TARGET_PLANHAT_"])
def test_variables_count_with_config_env(run, lists, prefix):
    variables = {"API_TOKEN": TOKEN, "API_URL": lists.url, "REQUEST_TIMEOUT": "60"}
    environment = {prefix + name: value for name, value in variables.items()}
    code, _, _ = run("--config", "ENV", environment=environment)
    assert code == 0


def test_variables_of_a_file_count_too(run, lists, tmp_path):
    lines = f"TAP_PLANHAT_API_TOKEN={TOKEN}\nTAP_PLANHAT_API_URL={lists.url}\n"
    (tmp_path / ".env").write_text(lines)
    assert run("--config", "ENV")[0] == 0


@pytest.mark.parametrize(
    ("config", "environment", "words"),
    [
        ({}, {}, "api_token is missing: make one in Planhat under Settings > Service Accounts"),
        (None, {"TARGET_PLANHAT_API_TOKEN": "abc"}, "read only with --config ENV"),
        ({"api_token": " "}, {}, "api_token is empty: make one in Planhat under Settings"),
        ({"api_token": 12345678}, {}, "api_token must be text"),
        ({"api_token": "abc", "region": "eu-2"}, {}, "region is 'eu-2', but must be"),
        ({"api_token": "abc", "request_timeout": "x"}, {}, "request_timeout: "),
        ({"api_token": "abc", "request_timeout": 0}, {}, "request_timeout: 0 is less than"),
        ("[1]", {}, "--config cannot be read: it is not a JSON object"),
        ("{", {}, "--config cannot be read"),
    ],
)
def test_a_setting_that_cannot_be_used_is_one_line_that_says_what_to_do(
    run, config, environment, words
):
    code, out, log = run(config=config, environment=environment)
    assert code == 1
    assert out == ""
    assert words in log
    assert "12345678" not in log
    assert "Traceback" not in log


def test_a_variable_that_is_misread_is_named(run):
    environment = {"TAP_PLANHAT_API_TOKEN": TOKEN, "TAP_PLANHAT_REQUEST_TIMEOUT": "soon"}
    code, _, log = run("--config", "ENV", environment=environment)
    assert code == 1
    assert "TAP_PLANHAT_REQUEST_TIMEOUT must be a whole number" in log


def test_a_file_that_is_not_there_is_named(run):
    code, _, log = run("--config", "no-such.json")
    assert code == 1
    assert "no-such.json" in log


def test_the_table_fits_the_terminal_and_sums_up():
    findings = [
        Finding("tasks", "page size", Status.WARN, "seen " * 30, "follows " * 20),
        Finding("tenant", "clock", Status.OK, "right"),
        Finding("nps", "select", Status.UNKNOWN, ""),
    ]
    table = as_table(findings, 80)
    assert max(map(len, table.splitlines())) <= 80
    assert table.startswith("tenant\n  ok    clock")
    assert table.endswith("1 ok, 1 warn, 1 unknown")
    assert json.loads(as_json(findings))["findings"][1]["status"] == "ok"
