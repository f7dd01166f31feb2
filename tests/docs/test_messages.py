"""The messages that README.md explains are those that come."""

from __future__ import annotations

import json
import re
import subprocess

import pytest

from planhat_api.client import ClientSettings, PlanhatClient
from planhat_api.errors import PlanhatError
from planhat_api.resources import TASKS
from planhat_sandbox.server import running
from planhat_sandbox.tenant.tenant import Tenant
from tap_planhat.tap import TapPlanhat

REMEDIES = {
    "401": "region",
    "403": "permission",
    "no whole answer within … s": "batch_size_rows",
    "There is no setting …": "did you mean rescan_days",
    "Stream … is not one of …": "unknown_streams to skip",
    "records were rejected": "rejects_path",
    "STATE stops before the first of them": "rejects_path",
}
"""What is explained -> what the message itself advises."""


@pytest.fixture(scope="module")
def messages(environment):
    """What three calls, the tap's settings and two runs of the target say."""

    def load(url, stream):
        done = subprocess.run(
            ["target-planhat", "--config", "ENV"],
            input="\n".join(
                json.dumps({"type": kind, "stream": stream, **rest})
                for kind, rest in (
                    ("SCHEMA", {"schema": {"properties": {}}}),
                    ("RECORD", {"record": {}}),
                )
            ),
            env={
                **environment,
                "TARGET_PLANHAT_API_URL": url,
                "TARGET_PLANHAT_API_TOKEN": "a-token",
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return done.stderr.splitlines()[-1]

    found = []
    with running(Tenant()) as sandbox:
        client = PlanhatClient(
            ClientSettings("a-token", api_url=sandbox.url, request_timeout=1, retry_timeout=0)
        )
        for fault in ({"status": 401}, {"deny": True}, {"delay_ms": 1500}):
            sandbox.control.faults.add(fault)
            with pytest.raises(PlanhatError) as raised:
                client.list_rows(TASKS, {})
            found.append(str(raised.value))
        client.close()
        found += [load(sandbox.url, stream) for stream in ("invoices", "tasks")]
    with pytest.raises(PlanhatError) as raised:
        TapPlanhat(config={"api_token": "a-token", "rescan_day": 2})
    return [*found, str(raised.value)]


def test_the_readme_explains_these_messages(page_named):
    section = (
        page_named("README.md").text.partition("## When something fails")[2].partition("\n## ")
    )
    assert re.findall(r"^\| `([^`]+)` \|", section[0], re.MULTILINE) == list(REMEDIES)


@pytest.mark.parametrize("shown", REMEDIES)
def test_a_message_that_is_explained_comes_with_its_remedy(messages, shown):
    pattern = ".*".join(map(re.escape, shown.split("…")))
    said = [message for message in messages if re.search(pattern, message)]
    assert len(said) == 1
    assert REMEDIES[shown] in said[0]
