from datetime import timedelta

import pytest

from planhat_api.resources import NPS, RESOURCES, TASKS
from planhat_sandbox.tenant.listing import list_row, table_row
from planhat_sandbox.tenant.tenant import stamp


def fill(bench, name, count, **more):
    table = bench.tenant.tables[name]
    prop = RESOURCES[name].company_property
    for number in range(count):
        doc = {"_id": f"{number:024x}", prop: bench.company, "email": "a@b.c", "score": 7}
        doc |= {"euId": f"{number // 2:024x}", "dateAnswered": bench.tenant.now(), "users": []}
        table.put(doc | more)


def ids(rows):
    return [row["_id"] for row in rows]


def test_a_page_has_the_resources_own_default_and_greatest_length(bench, name):
    resource = RESOURCES[name]
    fill(bench, name, resource.max_limit + 1)
    assert len(bench.ok("GET", f"/{name}")) == resource.default_limit
    assert len(bench.ok("GET", f"/{name}?limit=")) == resource.default_limit
    assert len(bench.ok("GET", f"/{name}?limit=3&offset=5")) == 3
    assert len(bench.ok("GET", f"/{name}?limit=99999")) == resource.max_limit
    assert len(bench.ok("GET", f"/{name}?limit=99999&offset={resource.max_limit}")) == 1
    assert bench.ok("GET", f"/{name}?offset={resource.max_limit + 1}") == []


@pytest.mark.parametrize("query", ["limit=x", "offset=-1", "limit=1.5"])
def test_a_parameter_that_is_not_a_number_is_rejected(bench, name, query):
    assert bench.call("GET", f"/{name}?{query}")[0] == 400


def test_a_list_is_sorted_by_one_property_either_way(bench):
    fill(bench, "tasks", 0)
    for action in ("b", None, "a", "c"):
        bench.ok("POST", "/tasks", bench.payload("tasks", action=action))
    up = bench.ok("GET", "/tasks?sort=action&select=action")
    assert [row["action"] for row in up] == [None, "a", "b", "c"]
    assert bench.ok("GET", "/tasks?sort=-action&select=action") == up[::-1]


def test_select_returns_what_is_named_and_the_id(bench, name):
    fill(bench, name, 1, custom={"a": 1, "b": 2})
    (row,) = bench.ok("GET", f"/{name}?select=custom")
    assert row == {"_id": row["_id"], "custom": {"a": 1, "b": 2}}
    (row,) = bench.ok("GET", f"/{name}?select=custom.b,nothing")
    assert row == {"_id": row["_id"], "custom": {"b": 2}}


def test_a_list_is_filtered_by_company_one_or_many(bench, name):
    prop = RESOURCES[name].company_property
    fill(bench, name, 2)
    table = bench.tenant.tables[name]
    table.put({**table.get(f"{1:024x}"), prop: bench.other})
    one = bench.ok("GET", f"/{name}?companyId={bench.other}")
    assert [row[prop] for row in one] == [bench.other]
    both = bench.ok("GET", f"/{name}?companyId={bench.company},{bench.other}")
    assert len(both) == (2 if RESOURCES[name].many_companies else 0)
    assert bench.ok("GET", f"/{name}?companyId=none") == []


def test_archived_tasks_are_hidden_unless_asked_for(bench):
    fill(bench, "tasks", 1)
    fill(bench, "tasks", 3, isArchived=True)
    table = bench.tenant.tables["tasks"]
    table.put({"_id": "f" * 24})
    assert ids(bench.ok("GET", "/tasks")) == ["f" * 24], "one that does not say is not archived"
    assert len(bench.ok("GET", "/tasks?isArchived=true")) == 3
    assert len(bench.ok("GET", "/tasks?isArchived=false")) == 1
    assert bench.call("GET", "/tasks?isArchived=maybe")[0] == 400


def test_tasks_are_filtered_by_contact(bench):
    fill(bench, "tasks", 2)
    table = bench.tenant.tables["tasks"]
    table.put({"_id": f"{1:024x}", "endusers": [{"id": "x", "name": "X"}]})
    assert ids(bench.ok("GET", "/tasks?enduserIds=y,x")) == [f"{1:024x}"]


def test_nps_older_than_360_days_are_hidden_unless_the_window_is_opened(bench):
    table = bench.tenant.tables["nps"]
    for number, days in enumerate((1, 359, 361, 1000)):
        date = stamp(bench.clock.now - timedelta(days=days))
        table.put({"_id": f"{number:024x}", "euId": f"{number:024x}", "dateAnswered": date})
    table.put({"_id": "f" * 24, "euId": "f" * 24, "dateAnswered": None})
    assert len(bench.ok("GET", "/nps")) == 2
    assert len(bench.ok("GET", "/nps?npsExpiryDay=2")) == 1
    assert len(bench.ok("GET", "/nps?npsExpiryDay=0")) == 0
    assert len(bench.ok("GET", "/nps?npsExpiryDay=1001")) == 4
    assert bench.call("GET", "/nps?npsExpiryDay=99999999")[0] == 400


def test_nps_lists_and_gets_have_their_own_names_and_writes_those_of_the_table(bench):
    made = bench.ok("POST", "/nps", bench.payload("nps", comment="Fine", cId=bench.company))
    (row,) = bench.ok("GET", "/nps")
    assert (row["_id"], row["npsId"]) == (made["euId"], made["_id"])
    assert (row["nps"], row["npsComment"], row["npsDate"], row["npsSent"]) == (
        7,
        "Fine",
        made["dateAnswered"],
        None,
    )
    assert not {"euId", "score", "comment", "dateAnswered", "__v"} & set(row)
    assert bench.ok("GET", f"/nps/{made['_id']}") == row
    assert bench.ok("GET", f"/nps/{made['euId']}") == row
    assert bench.call("PUT", f"/nps/{made['euId']}", {"score": 1})[0] == 404
    assert bench.ok("PUT", f"/nps/{made['_id']}", {"score": 1})["score"] == 1


def test_nps_lists_sort_and_select_by_their_own_names(bench):
    table = bench.tenant.tables["nps"]
    for number, score in enumerate((5, 9, 1)):
        contact = f"{9 - number:024x}"
        now = bench.tenant.now()
        doc = {"_id": f"{number:024x}", "euId": contact, "score": score, "dateAnswered": now}
        table.put(doc)
    assert [row["nps"] for row in bench.ok("GET", "/nps?sort=nps")] == [1, 5, 9]
    assert [row["nps"] for row in bench.ok("GET", "/nps?sort=_id")] == [1, 9, 5]
    assert set(bench.ok("GET", "/nps?select=nps,score")[0]) == {"_id", "nps"}


def test_the_nps_shapes_turn_into_each_other():
    table = {"_id": "r", "euId": "c", "score": 3, "comment": None, "dateAnswered": "d", "cId": "x"}
    row = list_row(table, NPS)
    assert {k: v for k, v in table_row(row, NPS).items() if v is not None} == {
        k: v for k, v in table.items() if v is not None
    }
    assert table_row(table, NPS) == table
    assert list_row(table, TASKS) == table


def test_conversation_lists_leave_out_what_the_pages_list_row_has_not(bench, make_bench):
    left_out = {"description", "timeBucket", "sender", "__v"}
    payload = bench.payload("conversations", description="<p>Hi</p>")
    bench.ok("POST", "/conversations", payload)
    (row,) = bench.ok("GET", "/conversations")
    assert row["snippet"] == "Hi"
    assert not left_out & set(row)
    (row,) = bench.ok("GET", "/conversations?select=description")
    assert row["description"] == "<p>Hi</p>"
    everything = ",".join(bench.tenant.tables["conversations"].get(row["_id"]))
    (row,) = bench.ok("GET", f"/conversations?select={everything}")
    assert left_out <= set(row)
    full = make_bench(full_lists=True)
    full.ok("POST", "/conversations", payload)
    assert left_out <= set(full.ok("GET", "/conversations")[0])


def test_rows_without_a_promised_order_come_in_a_new_one_each_time(make_bench, name):
    bench = make_bench(seed=1)
    fill(bench, name, 8)
    plain = {tuple(ids(bench.ok("GET", f"/{name}"))) for _ in range(10)}
    ties = {tuple(ids(bench.ok("GET", f"/{name}?sort=scoreType"))) for _ in range(10)}
    assert len(plain) > 3
    assert len(ties) > 3


def test_a_page_can_be_short_or_capped_by_a_fault(bench, name):
    fill(bench, name, 8)
    assert len(bench.ok("GET", f"/{name}?limit=6", short=2)) == 4
    assert len(bench.ok("GET", f"/{name}?limit=6", cap=5)) == 5
    assert len(bench.ok("GET", f"/{name}", as_object=True)["data"]) == 8


def test_a_sort_can_be_ignored_by_a_fault(make_bench, name):
    bench = make_bench(seed=1)
    fill(bench, name, 8)
    key = "npsId" if name == "nps" else "_id"
    orders = [bench.ok("GET", f"/{name}?sort={key}", ignore_sort=True) for _ in range(5)]
    assert any([row[key] for row in rows] != sorted(row[key] for row in rows) for rows in orders)


def test_a_list_made_later_sees_the_window_move(bench):
    bench.ok("POST", "/nps", bench.payload("nps"))
    assert len(bench.ok("GET", "/nps?npsExpiryDay=1")) == 1
    bench.clock.tick(days=2)
    assert bench.ok("GET", "/nps?npsExpiryDay=1") == []


def test_a_steady_sandbox_lists_ties_by_id(bench, name):
    fill(bench, name, 8)
    key = "npsId" if name == "nps" else "_id"
    rows = bench.ok("GET", f"/{name}?sort=email")
    assert [row[key] for row in rows] == [f"{number:024x}" for number in range(8)]
