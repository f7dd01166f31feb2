import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from planhat_sandbox import cli

ROOT = Path(__file__).parents[2]
RUN = "import sys; from planhat_sandbox.cli import main; sys.exit(main(sys.argv[1:]))"


@pytest.fixture
def spawn():
    """Start the command; it is ended with the test."""
    made = []

    def spawned(*args):
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", RUN, *args],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        made.append(process)
        return process

    yield spawned
    for process in made:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_says_where_it_is_and_ends_quietly(spawn, number):
    process = spawn(
        "--port", "0", "--demo", "--rows", "tasks=20,nps=20,campaigns=5,conversations=5"
    )
    line = process.stdout.readline()
    found = re.fullmatch(
        r"Planhat sandbox on (http://127\.0\.0\.1:\d+) \(token: any, 50 records\)\n", line
    )
    assert found, line
    call = urllib.request.Request(f"{found[1]}/tasks", headers={"Authorization": "Bearer x"})
    with urllib.request.urlopen(call, timeout=10) as reply:
        assert reply.status == 200
    process.send_signal(number)
    out, err = process.communicate(timeout=10)
    assert re.fullmatch(r"\d\d:\d\d:\d\d GET /tasks 200, [0-9]+ rows, \d+ ms\n", out), out
    assert (process.returncode, err) == (0, "")


def get(url):
    call = urllib.request.Request(url, headers={"Authorization": "Bearer x"})
    with urllib.request.urlopen(call, timeout=60) as reply:
        return reply.status


def test_a_quiet_one_prints_no_line_for_a_request(spawn):
    process = spawn("--port=0", "--quiet")
    url = process.stdout.readline().split()[3]
    assert get(f"{url}/tasks") == 200
    process.terminate()
    assert process.communicate(timeout=60) == ("", "")


def test_it_goes_on_when_nobody_reads_its_lines(spawn):
    process = spawn("--port=0")
    url = process.stdout.readline().split()[3]
    process.stdout.close()
    assert [get(f"{url}/tasks") for _ in range(3)] == [200] * 3


def test_another_interface_is_listened_on_when_asked_for(spawn):
    for host, shown in (("localhost", "localhost"), ("0.0.0.0", "127.0.0.1")):  # noqa: S104
        url = spawn("--port=0", "--host", host).stdout.readline().split()[3]
        assert url.startswith(f"http://{shown}:")
        assert get(f"{url}/tasks") == 200


@pytest.mark.parametrize("host", ["no-such-host.invalid", "192.0.2.1"])
def test_an_interface_that_does_not_exist_is_an_error_of_one_line(host, capsys):
    assert cli.main(["--port=0", "--host", host]) == 1
    assert re.fullmatch(rf"planhat-sandbox: {host}:0: .+\n", capsys.readouterr().err)


def test_a_port_that_is_taken_is_an_error_of_one_line(capsys):
    from planhat_sandbox.server import running

    with running() as sandbox:
        port = sandbox.url.rpartition(":")[2]
        assert cli.main(["--port", port]) == 1
    assert re.fullmatch(
        rf"planhat-sandbox: 127\.0\.0\.1:{port}: .*in use\n", capsys.readouterr().err
    )


def test_without_the_extra_it_says_how_to_install_it(monkeypatch, capsys):
    for name in [name for name in sys.modules if name.startswith("planhat_sandbox.server")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("planhat_sandbox.server", raising=False)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert cli.main(["--port", "0"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "pip install 'singer-planhat[sandbox]'" in line


@pytest.mark.parametrize(
    "args",
    [
        ["--error-rate", "2"],
        ["--rate-limit", "0"],
        ["--rows", "companies=5"],
        ["--rows", "many"],
        ["--rows=-5"],
        ["--rows=tasks=-5"],
        ["--latency-ms=-1"],
        ["--port", "65536"],
        ["--port=-1"],
        ["--task-dates", "rarely"],
    ],
)
def test_an_impossible_option_is_a_usage_error(args, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(args)
    assert ended.value.code == 2
    assert args[0].partition("=")[0] in capsys.readouterr().err.splitlines()[-1]


def test_the_help_names_every_control_and_fault(capsys):
    from dataclasses import fields

    from planhat_sandbox.control import Control
    from planhat_sandbox.faults import Effects
    from planhat_sandbox.tenant.tenant import Tenant

    with pytest.raises(SystemExit):
        cli.main(["--help"])
    text = capsys.readouterr().out
    for item in fields(Effects):
        assert f'"{item.name}"' in text, item.name
    for _, path in Control(Tenant())._operations:
        assert f"/__sandbox/{path}" in text, path


def test_every_option_reaches_the_sandbox(monkeypatch, capsys):
    from planhat_sandbox import server
    from planhat_sandbox.options import SandboxOptions, TaskDates, UnknownId

    served = []
    monkeypatch.setattr(server, "serve", lambda tenant, **_: served.append(tenant.options))
    args = "--seed 7 --token t --latency-ms 5 --error-rate 0.5 --rate-limit 9 --steady --timestamps"
    cli.main(
        [
            *args.split(),
            "--full-lists",
            "--no-store",
            "--task-dates",
            "none",
            "--unknown-id=creates",
        ]
    )
    cli.main([])
    assert served == [
        SandboxOptions(
            seed=7,
            token="t",
            latency_ms=5,
            error_rate=0.5,
            rate_limit=9,
            steady=True,
            unknown_id=UnknownId.CREATES,
            task_dates=TaskDates.NONE,
            timestamps=True,
            full_lists=True,
            no_store=True,
        ),
        SandboxOptions(),
    ]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("args", "tasks", "nps"),
    [
        ([], 0, 0),
        (["--demo"], 9000, 3000),
        (["--rows", "5"], 5, 5),
        (["--demo", "--rows", "tasks=7"], 7, 3000),
    ],
)
def test_sample_data_is_made_when_asked_for(monkeypatch, args, tasks, nps):
    from planhat_sandbox import server

    served = []
    monkeypatch.setattr(server, "serve", lambda tenant, **_: served.append(tenant))
    assert cli.main(args) == 0
    assert [len(served[0].tables[name].rows) for name in ("tasks", "nps")] == [tasks, nps]
