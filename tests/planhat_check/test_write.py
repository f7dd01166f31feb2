"""How a tenant takes writes; and that nothing stays behind."""

from __future__ import annotations

import pytest

from planhat_api.resources import TASKS
from planhat_api.settings import ClientSettings
from planhat_check.caller import Caller
from planhat_check.finding import Status
from planhat_check.write import NAME, WriteCheck
from planhat_sandbox.options import UnknownId
from planhat_sandbox.tenant.tenant import Company

COMPANY = "60df26bfa259250cba9cf816"


@pytest.fixture
def sandbox(sandbox_with):
    made = sandbox_with(rows=5)
    made.tenant.add_company(Company(COMPANY, "Tenet", "e1", "s1"))
    return made


def tasks(sandbox):
    return [dict(each) for each in sandbox.tenant.tables["tasks"].rows]


def test_one_task_is_made_tried_and_deleted(sandbox, look):
    before = len(sandbox.tenant.tables["tasks"].rows)
    found = look(sandbox.url, COMPANY)
    assert found.failed == []
    checks = [each.check for each in found.findings if each.resource == NAME]
    assert checks == ["create", "again", "update only", "stale _id", "clean up"]
    assert found[NAME, "create"].seen.startswith("200 ")
    assert "updatedAt" in found[NAME, "again"].follows
    assert "creates nothing" in found[NAME, "update only"].follows
    assert found[NAME, "clean up"].seen.endswith("nothing left")
    assert len(sandbox.tenant.tables["tasks"].rows) == before
    assert sandbox.control.stats()["calls"]["PUT tasks"] == 4


def test_nothing_is_written_where_the_token_is_not_accepted(sandbox_with, look):
    sandbox = sandbox_with(rows=5, token="another-token")
    found = look(sandbox.url, COMPANY)
    assert found.failed == [("tenant", "token and region")]
    assert list(sandbox.control.stats()["calls"]) == ["GET campaigns"]


@pytest.mark.parametrize("unknown", list(UnknownId))
def test_what_becomes_of_an_unknown_id_is_said_and_cleaned_up(sandbox_with, look, unknown):
    sandbox = sandbox_with(rows=5, unknown_id=unknown)
    sandbox.tenant.add_company(Company(COMPANY, "Tenet", "e1", "s1"))
    before = len(sandbox.tenant.tables["tasks"].rows)
    found = look(sandbox.url, COMPANY)
    assert "Planhat " in found[NAME, "stale _id"].follows
    assert found[NAME, "clean up"].status is Status.OK
    assert len(sandbox.tenant.tables["tasks"].rows) == before


def test_a_company_that_may_not_be_written_to_is_a_failure_and_leaves_nothing(sandbox, look):
    before = len(sandbox.tenant.tables["tasks"].rows)
    sandbox.control.faults.add({"deny": True, "method": "PUT", "count": None})
    found = look(sandbox.url, COMPANY)
    assert (NAME, "create") in found.failed
    assert "403" in found[NAME, "create"].seen
    assert found[NAME, "clean up"].seen == "0 made and deleted, nothing left"
    assert len(sandbox.tenant.tables["tasks"].rows) == before


@pytest.mark.parametrize("skip", [1, 2, 3])
def test_a_write_whose_answer_is_lost_is_unknown_and_cleaned_up(sandbox, look, skip):
    before = len(sandbox.tenant.tables["tasks"].rows)
    sandbox.control.faults.add({"drop": "after", "method": "PUT", "skip": skip})
    found = look(sandbox.url, COMPANY)
    assert [name for name, _ in found.named(Status.UNKNOWN)] == [NAME]
    assert found[NAME, "clean up"].status is Status.OK
    assert len(sandbox.tenant.tables["tasks"].rows) == before


def test_a_task_whose_making_was_not_answered_is_deleted_too(sandbox, look):
    before = len(sandbox.tenant.tables["tasks"].rows)
    sandbox.control.faults.add({"drop": "after", "method": "PUT"})
    found = look(sandbox.url, COMPANY)
    assert (NAME, "create") in found.failed
    assert found[NAME, "clean up"].seen == "1 made and deleted, nothing left"
    assert len(sandbox.tenant.tables["tasks"].rows) == before


@pytest.mark.parametrize("fault", [{"status": 500}, {"deny": True}, {"drop": "before"}])
def test_what_cannot_be_deleted_is_named(sandbox, look, fault):
    sandbox.control.faults.add({**fault, "method": "DELETE", "count": None})
    found = look(sandbox.url, COMPANY)
    finding = found[NAME, "clean up"]
    assert finding.status is Status.FAIL
    assert "left behind: a task with sourceId planhat-check:" in finding.seen
    assert "by hand" in finding.follows


def test_an_interrupt_deletes_what_was_made_before_it_passes_on(sandbox):
    before = len(sandbox.tenant.tables["tasks"].rows)
    caller = Caller(ClientSettings(api_token="a-token", api_url=sandbox.url))

    def interrupt(_seconds):
        assert len(sandbox.tenant.tables["tasks"].rows) == before + 1
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(WriteCheck(caller, COMPANY, pause=interrupt).run())
    caller.close()
    assert len(sandbox.tenant.tables[TASKS.name].rows) == before


def test_what_an_interrupt_leaves_behind_is_named(sandbox, caplog):
    sandbox.control.faults.add({"status": 500, "method": "DELETE", "count": None})
    caller = Caller(ClientSettings(api_token="a-token", api_url=sandbox.url))

    def interrupt(_seconds):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(WriteCheck(caller, COMPANY, pause=interrupt).run())
    caller.close()
    (message,) = caplog.messages
    assert message.startswith("left behind: a task with sourceId planhat-check:")
    assert message.endswith("delete it in Planhat by hand")


def test_who_interrupts_the_cleaning_up_is_told_what_may_be_left(sandbox, caplog, monkeypatch):
    caller = Caller(ClientSettings(api_token="a-token", api_url=sandbox.url))

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(caller, "delete", interrupt)
    with pytest.raises(KeyboardInterrupt):
        list(WriteCheck(caller, COMPANY, pause=lambda _: None).run())
    caller.close()
    (message,) = caplog.messages
    assert message.startswith("perhaps left behind: a task with sourceId planhat-check:")
