"""What sources and servers say reaches the logs of both commands, and does no harm there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from planhat_sandbox.server import running
from planhat_sandbox.tenant.tenant import Tenant

TOKEN = "tKn+9f/Za7Qx.Lm2=0wErTy-55uIoP_aSdF"
FORGED = "a\x1b[31m\n2026-01-01 ERROR forged\r\x9b2J"
STRUCTURED = """
version: 1
disable_existing_loggers: false
formatters: {structured: {(): singer_sdk.logging.StructuredFormatter}}
handlers: {console: {class: logging.StreamHandler, formatter: structured}}
root: {level: INFO, handlers: [console]}
"""


@pytest.fixture(scope="module")
def sandbox():
    with running(Tenant()) as made:
        yield made


@pytest.fixture
def run(tmp_path, sandbox):
    """Run a command; return what it logs, which must be safe."""

    def run(command, lines, structured, *options):
        config = tmp_path / "config.json"
        config.write_text(json.dumps({"api_token": TOKEN, "api_url": sandbox.url}))
        log_config = tmp_path / "log.yml"
        log_config.write_text(STRUCTURED)
        ended = subprocess.run(
            [Path(sys.executable).with_name(command), "--config", config, *options],
            input="".join(json.dumps(line) + "\n" for line in lines).encode(),
            capture_output=True,
            check=False,
            env={"SINGER_SDK_LOG_CONFIG": str(log_config)} if structured else {},
        )
        log = ended.stderr.decode()
        assert TOKEN not in log
        assert log.replace("\n", "").isprintable()
        assert not any(line.startswith("2026-01-01") for line in log.splitlines())
        if structured:
            objects = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
            assert objects
            assert all(each["message"].isprintable() for each in objects)
        return log

    return run


STRUCTURED_OR_NOT = pytest.mark.parametrize("structured", [False, True])


@STRUCTURED_OR_NOT
def test_names_of_columns_and_streams_are_safe_in_the_log_of_the_target(run, structured):
    name = f"{FORGED} {TOKEN}"
    schema = {"properties": {"companyId": {"type": "string"}, name: {}}}
    lines = [
        {"type": "SCHEMA", "stream": "tasks", "schema": schema, "key_properties": []},
        {"type": "RECORD", "stream": "tasks", "record": {"companyId": name, name: 1}},
        {"type": "SCHEMA", "stream": name, "schema": schema, "key_properties": []},
    ]
    log = run("target-planhat", lines, structured)
    assert "forged" in log
    assert "***" in log


@STRUCTURED_OR_NOT
def test_names_in_a_state_file_are_safe_in_the_log_of_the_tap(run, structured, tmp_path):
    state = tmp_path / "state.json"
    state.write_text(json.dumps({"bookmarks": {f"{FORGED} {TOKEN}": "no bookmark"}}))
    log = run("tap-planhat", [], structured, "--state", state)
    assert "forged" in log
    assert "***" in log


@pytest.mark.parametrize("command", ["tap-planhat", "target-planhat"])
@pytest.mark.parametrize("variable", ["LOGLEVEL", "SINGER_SDK_LOG_CONFIG"])
def test_a_log_that_cannot_be_set_up_is_one_line(command, variable, tmp_path):
    path = tmp_path / "logging.yml"
    path.write_text("version: [")
    value = "verbose" if variable == "LOGLEVEL" else str(path)
    done = subprocess.run(
        [Path(sys.executable).with_name(command), "--config=ENV"],
        env={**os.environ, variable: value},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 1
    assert "The log cannot be set up: " in done.stderr
    assert "LOGLEVEL" in done.stderr
    assert done.stderr.count("\n") == 1
