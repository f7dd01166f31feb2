import pytest

from planhat_sandbox.tenant.directory import LISTS
from planhat_sandbox.tenant.tenant import Company, Contact, CustomField, User


@pytest.fixture
def fill():
    """Put so many rows into each of the lists."""

    def filled(bench, count):
        tenant = bench.tenant
        tenant.companies.clear()
        for number in range(count):
            key = f"{number:024x}"
            tenant.add_company(Company(key, f"C{number:05}", f"e{number}", None, ("c.example",)))
            tenant.add_user(User(key, f"Ann Lee{number:05}", f"ann{number}@us.example"))
            tenant.add_contact(Contact(key, f"Bo Ray{number:05}", f"bo{number}@c.example", key))
            tenant.custom_fields.append(CustomField(f"F{number:05}", "number", "task"))

    return filled


@pytest.fixture(params=LISTS)
def table(request):
    """The name of each list in turn."""
    return request.param


def test_a_list_is_read_in_pages_but_lean_companies_come_all_at_once(bench, fill, table):
    fill(bench, 5010)
    found = [len(bench.ok("GET", f"/{table}{query}")) for query in ("", "?limit=3", "?limit=9999")]
    assert (
        found
        == {
            "leancompanies": [5010, 5010, 5010],
            "companies": [100, 3, 5000],
            "users": [100, 3, 2000],
            "endusers": [100, 3, 2000],
            "customfields": [100, 3, 2000],
        }[table]
    )
    last = bench.ok("GET", f"/{table}?offset=5009&limit=10&sort=_id")
    assert last[-1]["_id"] == f"{5009:024x}"
    assert bench.call("GET", f"/{table}?limit=x")[0] == (200 if table == "leancompanies" else 400)


def test_a_list_is_sorted_and_cut_to_what_is_selected(bench, fill, table):
    fill(bench, 3)
    falling = bench.ok("GET", f"/{table}?sort=-_id&select=name, email")
    assert [row["_id"][-1] for row in falling] == ["2", "1", "0"]
    assert set(falling[0]) <= {"_id", "name", "email"}


def test_without_a_sort_rows_come_in_any_order(make_bench, fill, table):
    bench = make_bench()
    fill(bench, 50)
    assert bench.ok("GET", f"/{table}?select=_id") != bench.ok("GET", f"/{table}?select=_id")


def test_rows_have_the_documented_properties(bench, table):
    tenant = bench.tenant
    tenant.add_company(Company("a" * 24, "Acme", "e9", "s9", ("acme.example",)))
    tenant.add_user(User("b" * 24, "Ann Lee", "ann@us.example", inactive=True))
    tenant.add_contact(Contact("c" * 24, "Bo Ray Day", "bo@acme.example", "a" * 24))
    tenant.custom_fields.append(CustomField("Plan", "list", "task", list_values=("x", "y")))
    lean = {"_id": "a" * 24, "name": "Acme", "externalId": "e9", "sourceId": "s9"}
    assert (
        bench.ok("GET", f"/{table}")[-1]
        == {
            "leancompanies": lean,
            "companies": {**lean, "domains": ["acme.example"]},
            "users": {
                "_id": "b" * 24,
                "email": "ann@us.example",
                "firstName": "Ann",
                "lastName": "Lee",
                "inactive": True,
            },
            "endusers": {
                "_id": "c" * 24,
                "companyId": "a" * 24,
                "companyName": "Acme",
                "email": "bo@acme.example",
                "firstName": "Bo",
                "lastName": "Ray Day",
                "name": "Bo Ray Day",
            },
            "customfields": {
                "_id": "0" * 24,
                "name": "Plan",
                "type": "list",
                "parent": "task",
                "isFormula": False,
                "isHidden": False,
                "listValues": ["x", "y"],
            },
        }[table]
    )


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("/users?email=ann1@us.example", ["1"]),
        ("/users?email=nobody@us.example", []),
        ("/endusers?email=bo2@c.example", ["2"]),
        ("/leancompanies?externalId=e2", ["2"]),
        ("/leancompanies?sourceId=s2", []),
        ("/leancompanies?externalId=", ["0", "1", "2"]),
        ("/companies?externalId=e2", ["0", "1", "2"]),
    ],
)
def test_a_list_is_filtered_by_what_is_documented_for_it(bench, fill, url, expected):
    fill(bench, 3)
    assert [row["_id"][-1] for row in bench.ok("GET", url)] == expected


def test_an_address_may_stand_in_several_companies(bench):
    for key, company in (("1", bench.company), ("2", bench.other)):
        bench.tenant.add_contact(Contact(key * 24, "Bo", "bo@both.example", company))
    found = bench.ok("GET", "/endusers?email=bo@both.example")
    assert [row["companyId"] for row in found] == [bench.company, bench.other]
    made = bench.ok("POST", "/nps", {"email": "bo@both.example", "score": 5, "cId": bench.other})
    assert made["euId"] == "2" * 24, "an answer belongs to the contact of its company"


def test_what_is_undocumented_of_a_filter_differs_from_tenant_to_tenant(make_bench, fill):
    capitals, shapes = set(), set()
    for seed in range(12):
        bench = make_bench(seed=seed)
        fill(bench, 2)
        once, again = (bench.ok("GET", "/users?email=ANN1@us.example") for _ in range(2))
        assert bool(once) == bool(again), "one tenant keeps to its habit"
        capitals.add(bool(once))
        shapes.add(type(bench.ok("GET", "/users?email=ann1@us.example")))
    assert capitals == {True, False}
    assert shapes == {list, dict}


def test_a_property_without_a_value_may_be_missing_null_or_blank(make_bench, fill):
    bench = make_bench()
    fill(bench, 100)
    rows = bench.ok("GET", "/leancompanies")
    assert {row.get("sourceId", "missing") for row in rows} == {"missing", None, ""}
    assert {row.get("inactive") for row in bench.ok("GET", "/users")} == {None, False}


def test_the_lists_are_read_only(bench, table):
    assert bench.call("POST", f"/{table}", {"name": "X"})[0] == 404
    assert bench.call("PUT", f"/{table}", [])[0] == 404
    assert bench.call("GET", f"/{table}/{'a' * 24}")[0] == 404


def test_a_tenant_takes_over_anothers_people_but_no_records(bench, make_bench, fill, table):
    fill(bench, 2)
    bench.ok("POST", "/tasks", bench.payload("tasks", companyId=f"{1:024x}"))
    other = make_bench(steady=True)
    other.tenant.companies.clear()
    other.tenant.adopt(bench.tenant)
    assert other.ok("GET", f"/{table}") == bench.ok("GET", f"/{table}")
    assert other.rows("tasks") == []
