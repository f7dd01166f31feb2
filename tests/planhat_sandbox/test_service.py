import re

import pytest

from planhat_api.resources import RESOURCES
from planhat_sandbox.options import TaskDates
from planhat_sandbox.tenant.tenant import User

ABSENT = "0123456789abcdef01234567"


def test_a_record_is_made_read_changed_and_deleted(bench, name):
    made = bench.ok("POST", f"/{name}", bench.payload(name, custom={"a": 1}))
    url = f"/{name}/{made['_id']}"
    assert re.fullmatch(r"[0-9a-f]{24}", made["_id"])
    assert bench.ok("GET", url)["custom"] == {"a": 1}
    assert bench.ok("PUT", url, {"custom": {"b": 2}})["custom"] == {"a": 1, "b": 2}
    assert bench.ok("GET", url.upper().replace(name.upper(), name))["custom"] == {"a": 1, "b": 2}
    bench.ok("DELETE", url)
    assert bench.call("GET", url)[0] == 404
    assert bench.call("PUT", url, {})[0] == 404
    assert bench.call("DELETE", url)[0] == 404


def test_an_id_begins_with_the_time_it_was_made(bench, name):
    made = bench.ok("POST", f"/{name}", bench.payload(name))
    assert int(made["_id"][:8], 16) == int(bench.clock.now.timestamp())


def test_create_never_updates_and_rejects_a_key_that_is_taken(bench, name):
    bench.ok("POST", f"/{name}", bench.payload(name, sourceId="s"))
    assert bench.call("POST", f"/{name}", bench.payload(name, sourceId="s"))[0] == 400
    bench.ok("POST", f"/{name}", bench.payload(name))
    bench.ok("POST", f"/{name}", bench.payload(name))
    assert len(bench.rows(name)) == 3


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"7", b"{}"])
def test_a_body_that_is_not_a_record_is_rejected(bench, name, body):
    assert bench.call("POST", f"/{name}", body)[0] == 400


def test_a_path_may_name_a_record_by_the_keys_its_page_allows(bench, name):
    names = RESOURCES[name].properties
    sent = {key: "k 1" for key in ("sourceId", "externalId") if key in names}
    bench.ok("POST", f"/{name}", bench.payload(name, **sent))
    found = {
        (method, prefix)
        for method in ("GET", "PUT")
        for prefix in ("srcid-", "extid-")
        if bench.call(method, f"/{name}/{prefix}k 1", {"custom": {"by": prefix}})[0] == 200
    }
    source = {("GET", "srcid-"), ("PUT", "srcid-")}
    external = {("GET", "extid-"), ("PUT", "extid-")}
    assert (
        found
        == {
            "campaigns": source | external,
            "nps": source,
            "conversations": external | {("PUT", "srcid-")},
            "tasks": source,
        }[name]
    )
    for prefix in ("srcid-", "extid-"):
        assert bench.call("GET", f"/{name}/{prefix}none")[0] == 404


def test_of_several_records_with_an_external_id_any_may_be_read(make_bench):
    bench = make_bench()
    for company in (bench.company, bench.other):
        sent = {"externalId": "e", "companyId": company}
        bench.ok("POST", "/campaigns", bench.payload("campaigns") | sent)
    found = {bench.ok("GET", "/campaigns/extid-e")["companyId"] for _ in range(20)}
    assert found == {bench.company, bench.other}


def test_any_of_a_contacts_answers_may_be_read_by_the_contacts_id(make_bench):
    bench = make_bench()
    made = [bench.ok("POST", "/nps", bench.payload("nps")) for _ in range(2)]
    found = {bench.ok("GET", f"/nps/{made[0]['euId']}")["npsId"] for _ in range(20)}
    assert found == {one["_id"] for one in made}


def test_whether_an_nps_is_read_by_its_own_id_differs_from_tenant_to_tenant(make_bench):
    statuses = set()
    for seed in range(12):
        bench = make_bench(seed=seed)
        made = bench.ok("POST", "/nps", bench.payload("nps"))
        statuses.add(bench.call("GET", f"/nps/{made['_id']}")[0])
    assert statuses == {200, 404}


def test_a_null_property_may_be_missing_from_a_single_read(make_bench):
    bench = make_bench()
    made = bench.ok("POST", "/tasks", bench.payload("tasks", description=None, action="A"))
    rows = [bench.ok("GET", f"/tasks/{made['_id']}") for _ in range(20)]
    assert {row.get("description", "missing") for row in rows} == {None, "missing"}
    assert {row["action"] for row in rows} == {"A"}


def test_rows_can_lack_properties_and_lists_can_end_at_an_offset(bench, name):
    made = [bench.ok("POST", f"/{name}", bench.payload(name, sourceId=str(n))) for n in range(3)]
    hidden = {"without": ("sourceId", "custom")}
    for row in bench.ok("GET", f"/{name}", **hidden):
        assert "_id" in row
        assert not {"sourceId", "custom"} & set(row)
    assert "sourceId" not in bench.ok("GET", f"/{name}/{made[0]['_id']}", **hidden)
    found = [bench.ok("GET", f"/{name}?offset={n}", last_offset=1) for n in range(3)]
    assert [len(rows) for rows in found] == [3, 2, 0]


def test_delete_takes_the_id_only(bench, name):
    bench.ok("POST", f"/{name}", bench.payload(name, sourceId="s"))
    assert bench.call("DELETE", f"/{name}/srcid-s")[0] == 400
    assert len(bench.rows(name)) == 1


def test_deleting_what_is_gone_answers_404_or_a_count_of_none(make_bench, name):
    bench = make_bench(seed=1)
    answers = [bench.call("DELETE", f"/{name}/{ABSENT}") for _ in range(20)]
    assert {status for status, _ in answers} == {200, 404}
    assert {"n": 0, "ok": 1, "deletedCount": 0} in [body for _, body in answers]


def test_an_operation_that_does_not_exist_is_404(bench, name):
    assert bench.call("DELETE", f"/{name}")[0] == 404
    assert bench.call("PATCH", f"/{name}/{ABSENT}", {})[0] == 404


def test_errors_come_in_many_shapes(make_bench, name):
    bench = make_bench(seed=1)
    shapes = [bench.call("GET", f"/{name}/{ABSENT}")[1] for _ in range(30)]
    assert {str(shape) for shape in shapes} == {
        "{'error': 'Not Found'}",
        "{'message': 'Not Found'}",
        "Not Found",
    }


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_resource_without_permission_is_403(bench, name, method):
    assert bench.call(method, f"/{name}", {}, deny=True)[0] == 403


def test_a_tasks_update_moves_its_date(bench):
    made = bench.ok("POST", "/tasks", bench.payload("tasks"))
    bench.clock.tick()
    changed = bench.ok("PUT", f"/tasks/{made['_id']}", {"action": "B"})
    assert changed["createdAt"] == made["createdAt"] == made["updatedAt"]
    assert changed["updatedAt"] > made["updatedAt"]


def test_on_some_tenants_tasks_carry_no_dates(make_bench):
    bench = make_bench(task_dates=TaskDates.NONE, steady=True)
    made = bench.ok("POST", "/tasks", bench.payload("tasks"))
    changed = bench.ok("PUT", f"/tasks/{made['_id']}", {"action": "B"})
    assert not {"createdAt", "updatedAt"} & (set(made) | set(changed))


def test_on_some_tenants_few_tasks_carry_dates_and_those_that_do_not_never_get_one(make_bench):
    bench = make_bench(task_dates=TaskDates.FEW)
    made = [bench.ok("POST", "/tasks", bench.payload("tasks")) for _ in range(40)]
    dated = ["updatedAt" in one for one in made]
    assert 2 <= sum(dated) <= 20
    changed = [bench.ok("PUT", f"/tasks/{one['_id']}", {"action": "B"}) for one in made]
    assert ["updatedAt" in one for one in changed] == dated


def test_on_some_tenants_campaigns_and_conversations_carry_dates(bench, make_bench, name):
    dated = make_bench(timestamps=True, steady=True)
    for one, expected in ((bench, name == "tasks"), (dated, name != "nps")):
        made = one.ok("POST", f"/{name}", one.payload(name))
        one.clock.tick()
        changed = one.ok("PUT", f"/{name}/{made['_id']}", {"custom": {"a": 1}})
        assert ("updatedAt" in changed) == expected
        assert not expected or changed["updatedAt"] > made["updatedAt"]


def test_markup_is_taken_out_of_the_snippet(bench):
    text = "<p>Book a thing</p><p>Was it fun?</p>"
    made = bench.ok("POST", "/tasks", bench.payload("tasks", description=text))
    assert made["snippet"] == "Book a thing\n\nWas it fun?"


def test_people_are_named_and_the_owner_marked(bench):
    bench.tenant.add_user(User("u", "Alex"))
    sent = {"users": [{"id": "u"}, {"id": "v"}], "endusers": ["c"], "ownerId": "a" * 24}
    made = bench.ok("POST", "/conversations", bench.payload("conversations", **sent))
    assert made["users"][0] == {"id": "u", "name": "Alex", "isOwner": False}
    assert made["endusers"] == [{"id": "c", "name": ""}]
    assert bench.rows("conversations")[0]["userIds"] == ["u", "v"]
    for wrong in ([{"name": "X"}], [7]):
        payload = bench.payload("conversations", users=wrong)
        assert bench.call("POST", "/conversations", payload)[0] == 400


def test_a_default_that_is_sent_as_null_stays_the_default(bench):
    payload = bench.payload("tasks", activityTags=None, status=None, description=None)
    made = bench.ok("POST", "/tasks", payload)
    assert (made["activityTags"], made["status"]) == ([], "In-progress")
    assert made["description"] is None
