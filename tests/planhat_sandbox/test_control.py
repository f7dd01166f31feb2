import orjson
import pytest

from planhat_sandbox.calls import ServedCall
from planhat_sandbox.control import Control
from planhat_sandbox.tenant.tenant import Tenant, User


@pytest.fixture
def control(bench):
    return Control(bench.tenant)


def ask(control, method, path, body=None, **params):
    data = b"" if body is None else orjson.dumps(body)
    reply = control.answer(method, path.split("/"), data, params)
    return reply.status, orjson.loads(reply.body)


def test_calls_are_listed_and_counted_until_reset(control):
    control.log.begin()
    control.log.end(ServedCall("GET", "tasks", None, {"limit": "5"}, 200, 5))
    assert ask(control, "GET", "stats")[1]["calls"] == {"GET tasks": 1}
    assert ask(control, "GET", "calls")[1][0]["params"] == {"limit": "5"}
    assert ask(control, "POST", "reset")[0] == 200
    assert ask(control, "GET", "calls") == (200, [])


def test_rows_are_put_in_as_they_are_and_come_out_again(control, bench, name):
    row = {"_id": "a" * 24, "companyId": "c" * 24, "updatedAt": "2001-01-01T00:00:00.000Z"}
    assert ask(control, "POST", f"load/{name}", [row, {"custom": {"x": 1}}])[1] == {"loaded": 2}
    first, second = ask(control, "GET", f"dump/{name}")[1]
    assert first == row
    assert second["custom"] == {"x": 1}
    assert len(second["_id"]) == 24
    assert "c" * 24 in bench.tenant.companies


def test_an_nps_in_the_lists_shape_is_put_in_as_the_table_has_it(control, bench, samples):
    row = samples["nps"]["list"]["response"][0]
    ask(control, "POST", "load/nps", row)
    (found,) = ask(control, "GET", "dump/nps")[1]
    assert (found["_id"], found["euId"]) == (row["npsId"], row["_id"])
    assert bench.tenant.contact(row["email"], None).id == row["_id"]


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("users", {"email": "a@b.example", "firstName": "A", "lastName": "B", "inactive": True}),
        ("companies", {"name": "X", "externalId": "x", "sourceId": "y", "domains": ["x.example"]}),
        ("endusers", {"email": "c@d.example", "name": "C D", "companyId": "c" * 24}),
        (
            "customfields",
            {
                "name": "Plan",
                "type": "list",
                "parent": "task",
                "isFormula": True,
                "isHidden": True,
                "listValues": ["a", "b"],
            },
        ),
    ],
)
def test_rows_of_the_lists_beside_the_resources_go_in_and_out(control, name, row):
    ask(control, "POST", "reset", {"rows": True})
    assert ask(control, "POST", f"load/{name}", [row])[1] == {"loaded": 1}
    (found,) = ask(control, "GET", f"dump/{name}")[1]
    assert len(found["_id"]) == 24
    assert row.items() <= found.items()
    assert ask(control, "POST", f"load/{name}", found)[0] == 200
    assert ask(control, "GET", f"dump/{name}")[1] == [found], "the same row takes its place"


def test_a_company_that_was_put_in_is_known_by_its_keys(control, bench):
    wanted = {"_id": "c" * 24, "name": "Acme", "externalId": "x1", "sourceId": "y1"}
    ask(control, "POST", "load/companies", wanted)
    assert {"c" * 24} == {bench.tenant.company_id(f"{key}1") for key in ("extid-x", "srcid-y")}


def test_a_reset_keeps_the_records_by_default(control, bench):
    bench.ok("POST", "/tasks", bench.payload("tasks"))
    ask(control, "POST", "faults", {"status": 500})
    ask(control, "POST", "changes", {"resource": "tasks", "insert": 1})
    ask(control, "POST", "reset")
    assert (control.faults.rules, control.changes, len(bench.rows("tasks"))) == ([], [], 1)
    ask(control, "POST", "reset", {"rows": True})
    assert bench.rows("tasks") == []


def test_a_reset_can_bring_the_sample_data_back(make_bench):
    bench = make_bench()
    tenant = Tenant(bench.tenant.options, sample=lambda tenant: tenant.add_user(User("u", "Ann")))
    control = Control(tenant)
    for given, users in (({"rows": True}, []), ({"rows": "sample"}, ["u"]), ({}, ["u"])):
        ask(control, "POST", "reset", given)
        assert list(tenant.users) == users


def test_a_fault_and_a_change_can_be_taken_back(control):
    ask(control, "POST", "faults", [{"status": 500}, {"drop": "after"}])
    ask(control, "POST", "changes", [{"resource": "tasks"}, {"resource": "nps"}])
    first, second = (rule["number"] for rule in ask(control, "GET", "faults")[1])
    assert [one["number"] for one in ask(control, "DELETE", f"faults/{first}")[1]] == [second]
    assert [one["resource"] for one in ask(control, "DELETE", "changes/0")[1]] == ["nps"]
    assert ask(control, "DELETE", f"faults/{first}")[0] == 404
    assert ask(control, "DELETE", "changes/5")[0] == 404


def test_latency_errors_and_the_rate_limit_may_be_changed_and_nothing_else(control, bench):
    found = ask(control, "POST", "options", {"latency_ms": 5, "rate_limit": 9})
    assert found == (200, {"latency_ms": 5, "error_rate": 0.0, "rate_limit": 9})
    assert ask(control, "GET", "state")[1]["options"] == found[1]
    assert bench.tenant.options.latency_ms == 5
    for wrong, words in (
        ({"latency_ms": -1}, "latency_ms must be at least 0"),
        ({"error_rate": 2}, "error_rate must be between 0 and 1"),
        ({"rate_limit": 0}, "rate_limit must be at least 1"),
        ({"latency_ms": "5"}, "latency_ms must be a number"),
        ({"seed": 5}, "cannot be changed: seed"),
    ):
        assert ask(control, "POST", "options", wrong) == (400, {"error": words})
    assert bench.tenant.options.latency_ms == 5


def test_records_are_found_by_text_newest_first_in_pages(control, bench):
    for number in range(5):
        action = f'Größe "{number}"'
        bench.ok("POST", "/tasks", bench.payload("tasks", action=action, isArchived=number == 3))
    assert ask(control, "GET", "state")[1]["records"]["tasks"] == 5

    def found(name="tasks", **query):
        reply = ask(control, "GET", f"records/{name}", **query)[1]
        return [row.get("action") or row.get("name") for row in reply["rows"]], reply["more"]

    assert found(limit="2") == (['Größe "4"', 'Größe "3"'], True)
    assert found(limit="2", offset="4") == (['Größe "0"'], False)
    assert found(search='GRÖSSE "2') == ([], False)
    assert found(search='gröSSe "2') == ([], False)
    assert found(search='GRÖßE "2') == (['Größe "2"'], False)
    assert found("companies", search="leo") == (["Leo"], False)


def test_faults_and_changes_in_force_are_listed(control):
    ask(control, "POST", "faults", [{"status": 500}, {"drop": "after", "count": 3}])
    assert [rule["count"] for rule in ask(control, "GET", "faults")[1]] == [1, 3]
    ask(control, "POST", "changes", {"resource": "tasks", "insert": 2})
    assert ask(control, "GET", "changes")[1][0]["insert"] == 2


def test_changes_can_be_made_at_once(control, bench):
    assert ask(control, "POST", "changes", {"resource": "tasks", "every": 0, "insert": 2}) == (
        200,
        [],
    )
    assert len(bench.rows("tasks")) == 2


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "nothing", None, 404),
        ("POST", "stats", None, 404),
        ("GET", "dump/invoices", None, 404),
        ("GET", "records/invoices", None, 404),
        ("GET", "latest/x", None, 400),
        ("GET", "stats/more", None, 400),
        ("POST", "load/users", [7], 400),
        ("GET", "dump", None, 400),
        ("GET", "", None, 404),
        ("POST", "faults", {"explode": 1}, 400),
        ("POST", "faults", 7, 400),
        ("POST", "faults", {"deny": True, "resource": "task"}, 400),
        ("POST", "changes", {"resource": "companies"}, 400),
        ("POST", "changes", {}, 400),
        ("POST", "load/companies", {}, 400),
    ],
)
def test_an_impossible_request_is_rejected(control, method, path, body, status):
    found, reply = ask(control, method, path, body)
    assert found == status
    assert reply["error"]


def test_a_body_that_is_not_json_is_rejected(control):
    assert control.answer("POST", ["faults"], b"{").status == 400
