"""What is seen of a tenant, good and bad, without writing to it."""

from __future__ import annotations

import socket
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest

from planhat_api.resources import RESOURCES, TASKS
from planhat_api.settings import ClientSettings
from planhat_check.caller import MOST_READS, Caller, NotAskedError
from planhat_check.finding import Status
from planhat_sandbox.options import TaskDates

LISTS = {
    "campaigns",
    "nps",
    "conversations",
    "tasks (isArchived=false)",
    "tasks (isArchived=true)",
}


def test_a_good_tenant_passes_with_few_reads_and_no_write(sandbox_with, look):
    sandbox = sandbox_with(task_dates=TaskDates.ALL)
    found = look(sandbox.url)
    assert set(found.named(Status.WARN)) <= {("tenant", "clock")}
    assert found.failed == found.named(Status.UNKNOWN) == []
    assert {each.resource for each in found.findings} == {*LISTS, "tenant"}
    for name in LISTS:
        assert found[name, "may be read"].status is Status.OK
        assert found[name, "sort=_id"].seen.endswith("rows in order")
    assert "custom" in found["tenant", "custom fields"].check
    stats = sandbox.control.stats()
    assert stats["total"] <= MOST_READS
    assert {call.partition(" ")[0] for call in stats["calls"]} == {"GET"}


@pytest.mark.untraced
def test_a_large_tenant_is_measured_with_the_same_few_reads(sandbox_with, look):
    sandbox = sandbox_with(rows={"tasks": 12_000, "campaigns": 5000, "nps": 10, "conversations": 9})
    found = look(sandbox.url)
    assert sandbox.control.stats()["total"] <= MOST_READS
    for name in ("campaigns", "tasks (isArchived=true)"):
        least, _, most = found[name, "length"].seen.partition(" rows")[0].partition(" to ")
        true = len(sandbox.tenant.tables[name.partition(" ")[0]].rows) if name == "campaigns" else 0
        least, most = (int(each.replace(",", "")) for each in (least, most or least))
        if true:
            assert least <= true <= most
        assert 0 < least <= most < 10 * least
    assert found["conversations", "length"].seen.startswith("9 rows, of about ")
    assert "calls" in found["tenant", "cost"].follows


def test_no_more_than_the_calls_of_a_check_are_made_whatever_asks_for_them(lists):
    caller = Caller(ClientSettings(api_token="a-token", api_url=lists.url))
    for _ in range(MOST_READS):
        caller.page(TASKS, {})
    with pytest.raises(NotAskedError, match="30 calls"):
        caller.page(TASKS, {})
    caller.close()
    assert len(lists.requests) == MOST_READS


def test_a_token_that_is_not_accepted_is_named_with_the_region_and_asked_about_once(
    sandbox_with, look
):
    sandbox = sandbox_with(token="another-token")
    found = look(sandbox.url)
    assert found.failed == [("tenant", "token and region")]
    finding = found["tenant", "token and region"]
    assert "401" in finding.seen
    assert "region" in finding.follows
    assert len(found.named(Status.UNKNOWN)) == len(LISTS)
    assert sandbox.control.stats()["total"] == 1


def test_a_host_that_is_not_there_is_named(look):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    found = look(url)
    assert found.failed == [("tenant", "token and region")]
    assert "Connection refused" in found["tenant", "token and region"].seen


def test_every_resource_that_may_not_be_read_is_named_in_one_run(sandbox_with, look):
    sandbox = sandbox_with()
    for name in ("nps", "tasks"):
        sandbox.control.faults.add({"deny": True, "resource": name, "count": None})
    found = look(sandbox.url)
    assert found.failed == [
        (name, "may be read")
        for name in ("nps", "tasks (isArchived=false)", "tasks (isArchived=true)")
    ]
    assert "may not read nps" in found["nps", "may be read"].follows
    assert found["campaigns", "sort=_id"].status is Status.OK
    assert ("nps", "sort=_id") not in found.by_name
    assert found["tenant", "answers"].status is Status.OK


def test_a_token_that_may_read_nothing_is_accepted_all_the_same(sandbox_with, look):
    sandbox = sandbox_with(rows=5)
    sandbox.control.faults.add({"deny": True, "count": None})
    found = look(sandbox.url)
    assert found["tenant", "token and region"].status is Status.OK
    assert set(found.failed) == {(name, "may be read") for name in LISTS}


@pytest.mark.parametrize("resource", RESOURCES)
def test_a_list_that_ignores_sort_is_named(sandbox_with, look, resource):
    sandbox = sandbox_with()
    sandbox.control.faults.add({"ignore_sort": True, "resource": resource, "count": None})
    found = look(sandbox.url)
    wrong = [*found.failed, *found.named(Status.WARN)]
    lists = {name for name in LISTS if name.partition(" ")[0] == resource}
    assert {name for name, check in wrong if check == "sort=-_id"} == lists


def test_a_list_that_keeps_no_order_cannot_be_read(lists, look):
    lists.manners.add("unsorted")
    found = look(lists.url)
    assert found.failed == [("tasks (isArchived=false)", "sort=_id")]
    assert "nothing can be read completely" in found[found.failed[0]].follows
    assert found["tasks (isArchived=false)", "sort=updatedAt"].status is Status.WARN


def test_a_list_that_comes_in_ascending_order_only_costs_calls(lists, look):
    lists.manners.add("ascending only")
    found = look(lists.url)
    assert found["tasks (isArchived=false)", "sort=_id"].status is Status.OK
    assert found["tasks (isArchived=false)", "sort=-_id"].status is Status.WARN
    assert found["tasks (isArchived=false)", "sort=updatedAt"].status is Status.OK
    assert found["tasks (isArchived=false)", "sort=-updatedAt"].status is Status.WARN
    assert found.failed == []


def test_a_lower_cap_of_pages_is_found_and_told_from_the_lists_end(sandbox_with, look):
    sandbox = sandbox_with()
    sandbox.control.faults.add({"cap": 50, "resource": "campaigns", "count": None})
    found = look(sandbox.url)
    finding = found["campaigns", "page size"]
    assert finding.status is Status.WARN
    assert finding.seen == "a page holds 50 rows, not the 2,000 documented"
    assert found["conversations", "page size"].status is Status.OK
    assert sandbox.control.stats()["total"] <= MOST_READS


def test_a_select_that_is_ignored_is_found(lists, look):
    assert look(lists.url)["tasks (isArchived=false)", "select"].status is Status.OK
    lists.manners.add("no select")
    finding = look(lists.url)["tasks (isArchived=false)", "select"]
    assert finding.status is Status.WARN
    assert "select is ignored" in finding.follows


def test_properties_that_come_only_by_name_are_named(sandbox_with, look):
    found = look(sandbox_with(full_lists=False).url)
    withheld = found["conversations", "withheld"]
    assert "properties come only by name: " in withheld.seen
    assert "description" in withheld.seen
    assert "by name" in withheld.follows
    for name in ("campaigns", "nps", "tasks (isArchived=false)"):
        assert "show as much" in found[name, "withheld"].seen
    assert (
        "show as much" in look(sandbox_with(full_lists=True).url)["conversations", "withheld"].seen
    )


def test_a_filter_that_is_ignored_is_found(lists, look, make_row):
    lists.rows["tasks"] += [make_row(number, isArchived=True) for number in range(5)]
    assert look(lists.url).failed == []
    lists.manners.add("no filter")
    assert ("tasks (isArchived=false)", "filter isArchived") in look(lists.url).failed


@pytest.mark.parametrize("dates", [TaskDates.NONE, TaskDates.SOME])
def test_tasks_without_a_date_of_change_are_found(sandbox_with, look, dates):
    found = look(sandbox_with(rows={"tasks": 2000}, task_dates=dates).url)
    finding = found["tasks (isArchived=true)", "dates and keys"]
    assert finding.status is Status.WARN
    assert "rescan" in finding.follows


def test_errors_in_between_are_named_and_what_was_asked_again_counts(sandbox_with, look):
    sandbox = sandbox_with()
    for skip in (3, 9, 14):
        sandbox.control.faults.add({"status": 503, "skip": skip})
    found = look(sandbox.url)
    finding = found["tenant", "answers"]
    assert finding.status is Status.WARN
    assert finding.seen.startswith("3 of ")
    assert "503" in finding.seen
    assert found.failed == []
    assert found["campaigns", "sort=_id"].status is Status.OK
    assert sandbox.control.stats()["total"] <= MOST_READS


@pytest.mark.parametrize(
    "fault", [{"status": 500}, {"status": 200, "text": "<html>"}, {"drop": "within"}]
)
def test_what_could_not_be_asked_is_unknown_and_never_ok(sandbox_with, look, fault):
    sandbox = sandbox_with()
    # The first page of conversations comes, all others do not.
    sandbox.control.faults.add({**fault, "resource": "conversations", "skip": 1, "count": None})
    found = look(sandbox.url)
    about = [each for each in found.findings if each.resource == "conversations"]
    known = {"may be read"}
    assert {each.check for each in about if each.status is Status.OK} == known
    assert {each.status for each in about} == {Status.OK, Status.UNKNOWN}
    assert found.failed == [("tenant", "answers")]
    assert sandbox.control.stats()["total"] <= MOST_READS


@pytest.mark.parametrize("fault", [{"status": 502}, {"text": "<html>"}, {"status": 302}])
def test_a_server_that_gives_no_page_shows_nothing_of_the_token_and_is_not_written_to(
    sandbox_with, look, fault
):
    sandbox = sandbox_with(rows=5)
    sandbox.control.faults.add({"status": 200, **fault, "count": None})
    found = look(sandbox.url, "60df26bfa259250cba9cf816")
    assert found["tenant", "token and region"].status is Status.UNKNOWN
    assert "GET /campaigns" in found["tenant", "token and region"].seen
    assert found["tasks (write)", "create"].status is Status.UNKNOWN
    assert {call.partition(" ")[0] for call in sandbox.control.stats()["calls"]} == {"GET"}


def test_what_the_calls_do_not_suffice_for_is_unknown_under_its_own_name(sandbox_with, look):
    sandbox = sandbox_with()
    names = {each.check for each in look(sandbox.url).findings}
    # Every page comes at the second try only.
    for skip in range(0, MOST_READS, 2):
        sandbox.control.faults.add({"status": 503, "skip": skip})
    found = look(sandbox.url)
    unknown = found.named(Status.UNKNOWN)
    assert ("tasks (isArchived=true)", "page size") in unknown
    assert {check for _, check in unknown} <= names
    assert sandbox.control.stats()["total"] <= 2 * MOST_READS


def test_an_empty_tenant_leaves_open_what_cannot_be_seen(lists, look):
    lists.rows.clear()
    found = look(lists.url)
    assert found.failed == []
    assert found["tasks (isArchived=false)", "sort=_id"].status is Status.UNKNOWN
    assert found["tasks (isArchived=false)", "page size"].status is Status.UNKNOWN


@pytest.mark.parametrize("fault", [{"deny": True}, {"status": 404}, {"as_object": True}])
def test_custom_fields_that_cannot_be_read_are_no_failure(sandbox_with, look, fault):
    sandbox = sandbox_with()
    sandbox.control.faults.add({**fault, "resource": "customfields", "count": None})
    found = look(sandbox.url)
    finding = found["tenant", "custom fields"]
    assert finding.status is Status.WARN
    assert "sample rows" in finding.follows
    assert found.failed == []


def test_properties_that_are_not_known_are_named_without_escapes_and_token(lists, look, make_row):
    token = "a-token-of-some-length"
    lists.rows["tasks"].append(make_row(1, **{f"new\x1b[2J {token}": 1}))
    finding = look(lists.url)["tasks (isArchived=false)", "properties"]
    assert "1 are not known here: new" in finding.seen
    assert finding.seen.isprintable()
    assert token not in finding.seen


@pytest.mark.parametrize(
    ("headers", "status", "words"),
    [
        ({}, Status.OK, "no rate limit"),
        ({"X-Rate-Limit-Limit": "200", "X-Rate-Limit-Remaining": "7"}, Status.OK, "Remaining: 7"),
        ({"x-ratelimit-limit": "50"}, Status.WARN, "x-ratelimit-limit: 50"),
    ],
)
def test_rate_limit_headers_are_shown(lists, look, headers, status, words):
    lists.headers = headers
    finding = look(lists.url)["tenant", "rate limit"]
    assert finding.status is status
    assert words in finding.seen


def test_a_clock_that_is_wrong_is_named(lists, look):
    late = datetime.now(timezone.utc) - timedelta(minutes=20)
    lists.date = format_datetime(late, usegmt=True)
    finding = look(lists.url)["tenant", "clock"]
    assert finding.status is Status.WARN
    assert "s ahead of Planhat's" in finding.seen


def test_a_large_group_of_ties_is_named(lists, look, make_row):
    same = "2025-01-01T00:00:00.000Z"
    lists.rows["tasks"] = [make_row(number) | {"updatedAt": same} for number in range(6000)]
    finding = look(lists.url)["tasks (isArchived=false)", "ties"]
    assert finding.status is Status.WARN
    assert "at most 6,000 of 6,000 rows share one updatedAt" in finding.seen
