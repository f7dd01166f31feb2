import orjson
import pytest

from planhat_sandbox.control import REMEMBERED, Call, Control


@pytest.fixture
def control(bench):
    return Control(bench.tenant)


def ask(control, method, path, body=None):
    reply = control.answer(method, path.split("/"), b"" if body is None else orjson.dumps(body))
    return reply.status, orjson.loads(reply.body)


def call(rows=0):
    return Call("GET", "tasks", None, {}, 200, rows)


def test_calls_and_rows_are_counted_until_reset(control):
    control.begin()
    control.begin()
    control.end(call(rows=5))
    control.end(call(rows=2))
    expected = {"calls": {"GET tasks": 2}, "total": 2, "rows": 7, "max_concurrent": 2}
    assert ask(control, "GET", "stats") == (200, expected)
    assert [one["rows"] for one in ask(control, "GET", "calls")[1]] == [5, 2]
    assert ask(control, "POST", "reset")[1]["total"] == 0
    assert ask(control, "GET", "calls") == (200, [])


def test_only_the_latest_calls_are_kept_in_detail(control):
    for _ in range(REMEMBERED + 5):
        control.begin()
        control.end(call())
    assert len(control.calls) == REMEMBERED
    assert control.stats()["total"] == REMEMBERED + 5


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


def test_a_reset_keeps_the_records_unless_told_otherwise(control, bench):
    bench.ok("POST", "/tasks", bench.payload("tasks"))
    ask(control, "POST", "faults", {"status": 500})
    ask(control, "POST", "changes", {"resource": "tasks", "insert": 1})
    ask(control, "POST", "reset")
    assert (control.faults.rules, control.changes, len(bench.rows("tasks"))) == ([], [], 1)
    ask(control, "POST", "reset", {"rows": True})
    assert bench.rows("tasks") == []


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
def test_what_makes_no_sense_is_refused(control, method, path, body, status):
    found, reply = ask(control, method, path, body)
    assert found == status
    assert reply["error"]


def test_a_body_that_is_no_json_is_refused(control):
    assert control.answer("POST", ["faults"], b"{").status == 400
