"""What Planhat has, read when it is due and kept up to date as it is written."""

from __future__ import annotations

import pytest

from planhat_api.resources import CONVERSATIONS, TASKS
from planhat_sandbox.tenant.tenant import Company
from target_planhat.item import Item
from target_planhat.outcome import CREATED, UPDATED, OutcomeKind, rejected
from target_planhat.tenant.check import LONGEST_AGE, TenantCheck
from target_planhat.tenant.judge import CannotTellError, CheckSettings
from target_planhat.tenant.lookups import Lookups
from target_planhat.upsert.merge import waves

SENT, UNCHANGED = None, OutcomeKind.UNCHANGED


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def make_check(planhat, clock):
    made = []

    def make(resource=TASKS, **settings):
        defaults = {
            "compare": True,
            "write_mode": "upsert",
            "dry_run": False,
            "reject_reserved": True,
        }
        check = TenantCheck(
            planhat.client,
            resource,
            CheckSettings(**{**defaults, **settings}),
            Lookups(planhat.client, most_calls=0),
            clock=clock,
        )
        made.append(check)
        return check

    yield make
    for check in made:
        check.close()


def merged(**body):
    keys = {name: body[name] for name in ("_id", "sourceId", "externalId") if name in body}
    [[item]] = waves([Item(body, keys, body.get("companyId"))])
    return item


def judged(check, **body):
    """Return what becomes of an item: None if it is to be sent."""
    item = merged(**body)
    check.begin(body)
    outcome = check.judge(item).outcome
    return item, outcome.kind if outcome else None


def test_the_tenant_is_read_once_until_it_is_old(planhat, make_check, clock):
    planhat.tasks(3)
    check = make_check()
    for _ in range(3):
        judged(check, sourceId="s-1")
    calls = len(planhat.lists("tasks"))
    clock.now = LONGEST_AGE - 1
    judged(check, sourceId="s-1")
    assert len(planhat.lists("tasks")) == calls
    clock.now = LONGEST_AGE + 1
    assert judged(check, sourceId="s-1")[1] is UNCHANGED
    assert len(planhat.lists("tasks")) == 2 * calls


def test_what_others_have_changed_is_seen_once_it_is_read_again(planhat, make_check, clock):
    [record_id] = planhat.tasks(1, action="old")
    check = make_check()
    assert judged(check, sourceId="s-0", action="old")[1] is UNCHANGED
    row = planhat.tenant.tables["tasks"].get(record_id)
    planhat.tenant.tables["tasks"].put({**row, "action": "theirs"})
    assert judged(check, sourceId="s-0", action="old")[1] is UNCHANGED
    clock.now = LONGEST_AGE + 1
    assert judged(check, sourceId="s-0", action="old")[1] is SENT


def test_more_properties_are_read_when_they_come_and_then_all_at_once(planhat, make_check):
    planhat.tasks(1, action="a", status="b", description="c")
    check = make_check()
    judged(check, sourceId="s-0")
    calls = len(planhat.lists("tasks"))
    assert judged(check, sourceId="s-0", action="a")[1] is UNCHANGED
    assert len(planhat.lists("tasks")) == 2 * calls
    assert judged(check, sourceId="s-0", status="b", description="c")[1] is UNCHANGED
    assert len(planhat.lists("tasks")) == 2 * calls


def test_a_dry_run_reads_once_and_goes_on_with_what_it_pretends(planhat, make_check, clock):
    planhat.tasks(1)
    check = make_check(dry_run=True)
    item, outcome = judged(check, sourceId="new", companyId=planhat.company)
    assert outcome is SENT
    assert check.would_be(item) == CREATED
    check.wrote(item, [CREATED], None)
    check.end_wave()
    calls = len(planhat.lists("tasks"))
    clock.now = 10 * LONGEST_AGE
    assert judged(check, sourceId="new", action="x")[1] is SENT
    assert len(planhat.lists("tasks")) == calls


def test_an_unknown_outcome_is_forgotten_not_remembered(planhat, make_check):
    planhat.tasks(1, action="old")
    check = make_check()
    item, _ = judged(check, sourceId="s-0", action="new")
    check.wrote(item, [rejected("It is not known whether it was written.")], None)
    check.end_wave()
    # It may hold either by now.
    assert judged(check, sourceId="s-0", action="old")[1] is SENT
    assert judged(check, sourceId="s-0", action="new")[1] is SENT


def test_what_planhat_refuses_leaves_the_record_as_it_was(planhat, make_check):
    planhat.tasks(1, action="old")
    check = make_check()
    item, _ = judged(check, sourceId="s-0", action="new")
    check.wrote(item, [rejected("Planhat refuses it.", 206)], None)
    check.end_wave()
    assert judged(check, sourceId="s-0", action="old")[1] is UNCHANGED
    assert judged(check, sourceId="s-0", action="new")[1] is SENT


def test_what_is_written_is_known(planhat, make_check):
    planhat.tasks(1, action="old")
    check = make_check()
    item, _ = judged(check, sourceId="s-0", action="new", companyId="extid-c-1")
    check.wrote(item, [UPDATED], None)
    check.end_wave()
    body = {"sourceId": "s-0", "action": "new", "companyId": planhat.company}
    assert judged(check, **body)[1] is UNCHANGED


def test_an_id_that_nobody_has_is_rejected_but_one_just_made_is_looked_up_by_others(
    planhat, make_check
):
    planhat.tasks(1)
    check = make_check()
    assert judged(check, _id="000000000000000000000001")[1] is OutcomeKind.REJECTED
    assert judged(check, _id=planhat.tenant.new_id())[1] is SENT


def test_what_cannot_be_created_is_rejected_before_it_is_sent(planhat, make_check):
    planhat.tasks(1)
    check = make_check()
    item = merged(sourceId="new", action="x")
    check.begin(item.body)
    outcome = check.judge(item).outcome
    assert outcome.reason.startswith("`companyId` is missing: no task is created without it")


def test_a_dry_run_knows_which_companies_there_are(planhat, make_check):
    planhat.tasks(1)
    planhat.tenant.add_company(Company("5f1b7a9e1a2b3c4d5e6f7a8b", "Globex", "c-2"))
    check = make_check(dry_run=True)
    for company, kind in (
        ("extid-c-2", OutcomeKind.CREATED),
        (planhat.company.upper(), OutcomeKind.CREATED),
        ("extid-c-9", OutcomeKind.REJECTED),
        ("5f1b7a9e1a2b3c4d5e6f7fff", OutcomeKind.REJECTED),
    ):
        item, outcome = judged(check, sourceId=f"for-{company}", companyId=company)
        assert outcome is SENT
        assert check.would_be(item).kind is kind


def test_a_dry_run_without_the_list_of_companies_takes_them_for_known(planhat, make_check):
    planhat.tasks(1)
    for name in ("companies", "leancompanies"):
        planhat.control.faults.add({"resource": name, "deny": True, "count": None})
    check = make_check(dry_run=True)
    item, _ = judged(check, sourceId="new", companyId="extid-c-9")
    assert check.would_be(item) == CREATED


@pytest.mark.parametrize("mode", ["update_only", "create_only"])
def test_a_mode_that_cannot_be_kept_is_an_error_not_a_guess(planhat, make_check, mode):
    planhat.load("conversations", [{"companyId": planhat.company, "subject": "x"}])
    check = make_check(CONVERSATIONS, compare=False, write_mode=mode)
    with pytest.raises(CannotTellError, match="carries sourceId"):
        judged(check, sourceId="a")
    planhat.load("conversations", [{"companyId": planhat.company, "externalId": "x"}])
    for name in ("companies", "leancompanies"):
        planhat.control.faults.add({"resource": name, "deny": True, "count": None})
    check = make_check(CONVERSATIONS, compare=False, write_mode=mode)
    outcome = judged(check, externalId="x", companyId="extid-c-1")[1]
    assert outcome is OutcomeKind.REJECTED
