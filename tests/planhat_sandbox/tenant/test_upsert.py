import pytest

from planhat_api.resources import RESOURCES
from planhat_sandbox.options import UnknownId

ABSENT = "0123456789abcdef01234567"
EVERY_KEY = {
    "created",
    "createdErrors",
    "insertsKeys",
    "updated",
    "updatedErrors",
    "updatesKeys",
    "nonupdates",
    "modified",
    "upsertedIds",
    "permissionErrors",
}


def put(bench, name, *items, **effects):
    return bench.call("PUT", f"/{name}", list(items), **effects)


def test_items_without_a_match_are_created_and_answered_with_their_keys(bench, name):
    status, reply = put(bench, name, bench.payload(name, sourceId="x-1", custom={"a": 1}))
    assert status == 200
    assert set(reply) == EVERY_KEY
    (row,) = bench.rows(name)
    assert reply["created"] == 1
    assert reply["insertsKeys"] == [{"_id": row["_id"], "sourceId": "x-1"}]
    assert reply["upsertedIds"] == [row["_id"]]
    assert row["custom"] == {"a": 1}


def test_each_keyable_finds_its_record(bench, name):
    resource = RESOURCES[name]
    first = {"sourceId": "s", **({"externalId": "e"} if "externalId" in resource.keyables else {})}
    put(bench, name, bench.payload(name, **first))
    (row,) = bench.rows(name)
    company = {resource.company_property: row[resource.company_property]}
    for turn, keyable in enumerate(resource.keyables):
        status, reply = put(bench, name, {**company, keyable: row[keyable], "custom": {"n": turn}})
        assert (status, reply["updated"], reply["created"]) == (200, 1, 0)
        assert reply["updatesKeys"][0]["_id"] == row["_id"]
        assert bench.rows(name)[0]["custom"] == {"n": turn}


def test_the_first_keyable_that_matches_counts(bench):
    put(bench, "tasks", bench.payload("tasks", sourceId="a"), bench.payload("tasks", sourceId="b"))
    first, second = bench.rows("tasks")
    status, reply = put(bench, "tasks", {"_id": first["_id"], "sourceId": "b", "action": "X"})
    assert (status, reply["updatedErrors"][0]["message"]) == (400, "sourceId b duplicated")
    put(bench, "tasks", {"_id": first["_id"], "sourceId": "c", "action": "X"})
    put(bench, "tasks", {"_id": ABSENT, "sourceId": "b", "action": "Y"})
    rows = {row["_id"]: row["action"] for row in bench.rows("tasks")}
    assert rows == {first["_id"]: "X", second["_id"]: "Y"}


def test_an_id_that_matches_nothing_makes_a_record_with_a_new_id(bench, name):
    status, reply = put(bench, name, bench.payload(name, _id=ABSENT))
    assert (status, reply["created"]) == (200, 1)
    assert bench.rows(name)[0]["_id"] != ABSENT
    status, reply = put(bench, name, {"_id": ABSENT, "custom": {}})
    assert (status, len(reply["createdErrors"])) == (400, 1)


def test_the_contacts_id_does_not_match_an_nps(bench):
    put(bench, "nps", bench.payload("nps"))
    (row,) = bench.rows("nps")
    _, reply = put(bench, "nps", bench.payload("nps", _id=row["euId"]))
    assert reply["created"] == 1


def test_what_is_omitted_stays_custom_merges_blanks_are_kept_and_null_clears(bench):
    put(
        bench,
        "campaigns",
        bench.payload("campaigns", sourceId="s", campaignPurpose="P", custom={"a": 1, "b": 2}),
    )
    put(bench, "campaigns", {"sourceId": "s", "custom": {"b": None, "c": [1]}})
    (row,) = bench.rows("campaigns")
    assert (row["name"], row["campaignPurpose"]) == ("A", "P")
    assert row["custom"] == {"a": 1, "b": None, "c": [1]}
    put(bench, "campaigns", {"sourceId": "s", "campaignPurpose": "", "custom": None})
    (row,) = bench.rows("campaigns")
    assert (row["campaignPurpose"], row["custom"]) == ("", None)
    put(bench, "campaigns", {"sourceId": "s", "campaignPurpose": None})
    assert bench.rows("campaigns")[0]["campaignPurpose"] is None


def test_an_update_that_changes_nothing_is_counted_as_such(bench, name):
    item = bench.payload(name, sourceId="s")
    put(bench, name, item)
    status, reply = put(bench, name, item)
    assert (status, reply["created"], reply["updated"], reply["nonupdates"]) == (200, 0, 0, 1)
    assert reply["updatesKeys"] == []


def test_an_update_that_changes_nothing_may_move_the_clock_all_the_same(make_bench):
    bench = make_bench(seed=1)
    item = bench.payload("tasks", sourceId="s")
    put(bench, "tasks", item)
    moved = set()
    for _ in range(20):
        before = bench.rows("tasks")[0]["updatedAt"]
        bench.clock.tick()
        put(bench, "tasks", item)
        moved.add(bench.rows("tasks")[0]["updatedAt"] != before)
    assert moved == {True, False}


def test_a_required_property_cannot_be_missing_nor_cleared(bench, name):
    for missing in RESOURCES[name].required_to_create:
        item = bench.payload(name, sourceId="s")
        del item[missing]
        status, reply = put(bench, name, item)
        assert (status, len(reply["createdErrors"])) == (400, 1)
        assert missing in reply["createdErrors"][0]["message"]
    put(bench, name, bench.payload(name, sourceId="s"))
    for missing in RESOURCES[name].required_to_create:
        status, reply = put(bench, name, {"sourceId": "s", missing: None})
        assert (status, len(reply["updatedErrors"])) == (400, 1)


def test_some_failed_items_make_206_and_the_others_are_written(bench, name):
    good, bad = bench.payload(name, sourceId="g"), {"sourceId": "b"}
    status, reply = put(bench, name, bad, good, 7, None)
    assert (status, reply["created"], len(reply["createdErrors"])) == (206, 1, 3)
    assert reply["createdErrors"][0]["sourceId"] == "b"
    assert len(bench.rows(name)) == 1


def test_a_company_may_be_named_by_its_keys_and_must_exist(bench, name):
    prop = RESOURCES[name].company_property
    allowed = [bench.company, *(["extid-e1", "srcid-s1"] if prop == "companyId" else [])]
    for number, reference in enumerate(allowed):
        put(bench, name, bench.payload(name, sourceId=str(number)) | {prop: reference})
    assert [row[prop] for row in bench.rows(name)] == [bench.company] * len(allowed)
    for reference in ("extid-none", ABSENT, "srcid-", 7, {"a": 1}, ["b"]):
        status, reply = put(bench, name, bench.payload(name) | {prop: reference})
        assert (status, len(reply["createdErrors"])) == (400, 1), reference


def test_a_source_id_is_one_records_and_an_external_id_one_in_a_company(bench):
    first = bench.payload("campaigns", sourceId="s", externalId="e")
    put(bench, "campaigns", first)
    elsewhere = bench.payload("campaigns", externalId="e") | {"companyId": bench.other}
    status, reply = put(bench, "campaigns", elsewhere)
    assert (status, reply["created"]) == (200, 1)
    status, reply = put(bench, "campaigns", {"externalId": "e", "name": "B"})
    assert (status, len(reply["createdErrors"])) == (400, 1), "which of the two?"
    _, second = bench.rows("campaigns")
    item = {"_id": second["_id"], "sourceId": "s"}
    status, reply = put(bench, "campaigns", item)
    assert reply["updatedErrors"][0]["message"] == "sourceId s duplicated"
    moved = {"_id": second["_id"], "companyId": bench.company}
    status, reply = put(bench, "campaigns", moved)
    assert reply["updatedErrors"][0]["message"] == "externalId e duplicated"


def test_an_unknown_id_beside_another_key_creates_or_goes_on_to_that_key(make_bench):
    def outcome(**options):
        bench = make_bench(**options)
        put(bench, "conversations", bench.payload("conversations", externalId="e"))
        item = bench.payload("conversations", _id=ABSENT, externalId="e2", sourceId="s")
        put(bench, "conversations", item)
        put(bench, "conversations", {**item, "subject": "S"})
        return [row.get("subject") for row in bench.rows("conversations")]

    went_on, created = [None, "S"], [None, None]
    assert outcome(steady=True) == outcome(unknown_id=UnknownId.NEXT_KEY) == went_on
    # The key is taken, so that the second of the two is an error.
    assert outcome(steady=True, unknown_id=UnknownId.CREATES) == created
    seeds = [outcome(seed=seed) for seed in range(12)]
    assert went_on in seeds
    assert created in seeds


def test_an_unknown_id_that_creates_leaves_the_record_of_the_other_key_alone(make_bench):
    bench = make_bench(steady=True, unknown_id=UnknownId.CREATES)
    put(bench, "campaigns", bench.payload("campaigns", externalId="e"))
    item = {"_id": ABSENT, "externalId": "e", "companyId": bench.other, "name": "B"}
    _, reply = put(bench, "campaigns", item)
    assert reply["created"] == 1
    assert [row["name"] for row in bench.rows("campaigns")] == ["A", "B"]


HABITS = {
    "finds_external_id_alone": (
        "campaigns",
        {"externalId": "k", "name": "B"},
        lambda row: row["name"] == "B",
    ),
    "clears_by_null": (
        "campaigns",
        {"sourceId": "k", "campaignPurpose": None},
        lambda row: row["campaignPurpose"] is None,
    ),
    "references_cid": (
        "nps",
        {"sourceId": "k", "cId": "extid-e1"},
        lambda row: row["cId"] is not None,
    ),
    "ignores_case": (
        "nps",
        {"sourceId": "k", "email": "JANE@test.com"},
        lambda row: row["euId"] == row["custom"]["before"],
    ),
}


@pytest.mark.parametrize("habit", HABITS)
def test_a_habit_of_one_tenant_differs_from_tenant_to_tenant(make_bench, habit):
    resource, item, sign = HABITS[habit]
    seen = set()
    for seed in range(12):
        bench = make_bench(seed=seed)
        keys = {"externalId": "k"} if resource == "campaigns" else {}
        put(bench, resource, bench.payload(resource, sourceId="k", campaignPurpose="P", **keys))
        (row,) = bench.rows(resource)
        put(bench, resource, {"sourceId": "k", "custom": {"before": row.get("euId")}})
        put(bench, resource, item)
        shown = sign(bench.rows(resource)[0])
        assert shown is getattr(bench.tenant.habits, habit)
        seen.add(shown)
    assert seen == {True, False}


def test_null_clears_a_custom_field_on_every_tenant(make_bench):
    for seed in range(12):
        bench = make_bench(seed=seed)
        put(bench, "tasks", bench.payload("tasks", sourceId="k", custom={"a": 1}))
        put(bench, "tasks", {"sourceId": "k", "custom": {"a": None}})
        assert bench.rows("tasks")[0]["custom"] == {"a": None}


def test_some_tenants_take_tickets_and_drop_those_without_an_address(make_bench):
    seen = set()
    for seed in range(12):
        bench = make_bench(seed=seed)
        ticket = bench.payload("conversations", type="ticket", sourceId="a")
        put(bench, "conversations", ticket | {"email": "a@b.example"}, ticket | {"sourceId": "b"})
        put(bench, "conversations", bench.payload("conversations", type="chat"))
        seen.add(tuple((row["sourceId"], row["type"]) for row in bench.rows("conversations")))
    assert seen == {(), (("a", "ticket"),)}


def test_an_external_id_in_one_company_only_matches_without_it(bench):
    put(bench, "campaigns", bench.payload("campaigns", externalId="e"))
    _, reply = put(bench, "campaigns", {"externalId": "e", "name": "B"})
    assert reply["updated"] == 1


def test_a_blank_key_matches_nothing(bench, name):
    for _ in range(2):
        put(bench, name, bench.payload(name, sourceId=""))
    assert [row["sourceId"] for row in bench.rows(name)] == ["", ""]


def test_the_same_key_twice_in_a_request_is_an_error(bench, name):
    item = bench.payload(name, sourceId="s")
    status, reply = put(bench, name, item, item)
    assert (status, reply["created"]) == (206, 1)
    assert reply["createdErrors"] == [{"message": "sourceId s duplicated", "sourceId": "s"}]


def test_the_same_key_twice_may_also_write_one_item_over_the_other(make_bench, name):
    outcomes = set()
    for seed in range(12):
        bench = make_bench(seed=seed)
        item = bench.payload(name, sourceId="s", custom={"n": 1})
        put(bench, name, item, item | {"custom": {"n": 2}})
        (row,) = bench.rows(name)
        outcomes.add(row["custom"]["n"])
    assert outcomes == {1, 2}


def test_users_are_objects_and_contacts_may_be_ids(bench):
    good = bench.payload("conversations", users=[{"id": "u"}], endusers=["c", {"id": "d"}])
    status, reply = put(bench, "conversations", good, good | {"users": ["u"]})
    assert (status, len(reply["createdErrors"])) == (206, 1)


def test_the_same_external_id_in_two_companies_is_allowed(bench):
    item = bench.payload("campaigns", externalId="e")
    status, reply = put(bench, "campaigns", item, item | {"companyId": bench.other})
    assert (status, reply["created"]) == (200, 2)


@pytest.mark.parametrize("kind", ["email", "chat", "ticket", "call"])
def test_reserved_conversations_are_not_created_but_may_be_changed(bench, kind):
    status, reply = put(bench, "conversations", bench.payload("conversations", type=kind))
    assert (status, len(reply["createdErrors"])) == (400, 1)
    table = bench.tenant.tables["conversations"]
    table.put({"_id": ABSENT, "companyId": bench.company, "type": kind, "users": []})
    status, _ = put(bench, "conversations", {"_id": ABSENT, "type": kind, "subject": "S"})
    assert status == 200
    assert table.get(ABSENT)["type"] == kind


def test_a_conversation_of_an_unknown_type_becomes_a_note(bench):
    put(bench, "conversations", bench.payload("conversations", type="seance"))
    put(bench, "conversations", bench.payload("conversations", type="training"))
    assert [row["type"] for row in bench.rows("conversations")] == ["note", "training"]


def test_no_update_makes_a_conversation_one_of_a_reserved_type_nor_another_of_one(bench):
    table = bench.tenant.tables["conversations"]
    for old, sent, expected in (
        ("note", "email", "note"),
        ("training", "call", "training"),
        ("email", "call", "email"),
        ("email", "seance", "email"),
        ("email", "training", "training"),
        ("training", "seance", "note"),
        (None, "email", "note"),
    ):
        table.put({"_id": ABSENT, "companyId": bench.company, "type": old, "users": []})
        status, _ = put(bench, "conversations", {"_id": ABSENT, "type": sent})
        assert (status, table.get(ABSENT)["type"]) == (200, expected), (old, sent)


def test_numbers_come_back_as_text_and_autogenerated_properties_are_ignored(bench):
    item = bench.payload("campaigns", externalId=1234, sourceId=5, companyName="Mine")
    _, reply = put(bench, "campaigns", item)
    assert reply["insertsKeys"][0]["externalId"] == "1234"
    (row,) = bench.rows("campaigns")
    assert (row["externalId"], row["sourceId"], row["companyName"]) == ("1234", "5", "Tenet")


def test_an_nps_finds_or_makes_its_contact_and_takes_the_contacts_company(bench):
    put(bench, "nps", bench.payload("nps", cId=bench.company))
    put(bench, "nps", bench.payload("nps", email="JANE@test.com", score=9))
    put(bench, "nps", bench.payload("nps", email="new@test.com", score=3))
    first, second, third = bench.rows("nps")
    assert second["euId"] == first["euId"]
    assert second["cId"] == bench.company
    assert third["euId"] not in {first["euId"], None}
    assert third["cId"] is None
    assert [row["scoreType"] for row in (first, second, third)] == [
        "passive",
        "promoter",
        "detractor",
    ]


def test_only_lists_of_at_most_5000_items_are_taken_and_nothing_else_is_written(bench, name):
    assert bench.call("PUT", f"/{name}", {"a": 1})[0] == 400
    assert bench.call("PUT", f"/{name}", b"[{")[0] == 400
    assert put(bench, name, *[bench.payload(name)] * 5001)[0] == 400
    assert bench.rows(name) == []
    assert put(bench, name)[0] == 200


def test_companies_without_permission_answer_403_and_the_others_are_written(bench, name):
    prop = RESOURCES[name].company_property
    mine = bench.payload(name, sourceId="a") | {prop: bench.company}
    theirs = bench.payload(name, sourceId="b") | {prop: bench.other}
    status, reply = put(bench, name, mine, theirs, deny_companies=(bench.other,))
    assert (status, reply["created"], len(reply["permissionErrors"])) == (403, 1, 1)
    assert reply["permissionErrors"][0]["sourceId"] == "b"
    put(bench, name, theirs)
    status, reply = put(bench, name, {"sourceId": "b", "custom": {}}, deny_companies=(bench.other,))
    assert status == 403, "the record's own company counts where none is sent"


def test_a_resource_without_permission_answers_403_for_each_item_or_in_words(make_bench, name):
    bench = make_bench(seed=1)
    replies = [put(bench, name, bench.payload(name), {}, deny=True) for _ in range(20)]
    assert {status for status, _ in replies} == {403}
    listed = [isinstance(body, dict) and "permissionErrors" in body for _, body in replies]
    assert set(listed) == {True, False}
    assert bench.rows(name) == []


def test_items_can_be_dropped_silently(bench, name):
    items = [bench.payload(name, sourceId=str(number)) for number in range(3)]
    status, reply = put(bench, name, *items, lose_items=2)
    assert (status, reply["created"]) == (200, 1)
    assert [row["sourceId"] for row in bench.rows(name)] == ["2"]


def test_what_is_documented_nowhere_varies(make_bench):
    bench = make_bench(seed=1)
    keys, shapes = set(), set()
    for turn in range(60):
        _, reply = put(
            bench, "tasks", bench.payload("tasks", sourceId=f"{turn}"), {"sourceId": "b"}
        )
        assert reply.get("created", len(reply.get("insertsKeys", ()))) == 1
        keys.add(frozenset(reply))
        (error,) = reply["createdErrors"]
        shapes.add("text" if isinstance(error, str) else tuple(sorted(error)))
    assert len(keys) > 10
    assert shapes == {
        "text",
        ("message",),
        ("message", "sourceId"),
        ("error", "item"),
        ("error", "keys"),
    }


def test_the_same_seed_varies_the_same_way(make_bench):
    def replies(seed):
        bench = make_bench(seed=seed)
        return [str(put(bench, "tasks", {"sourceId": "b"}, 1)) for _ in range(10)]

    assert replies(1) == replies(1)
    assert replies(1) != replies(2)


def test_without_a_store_every_item_is_created_and_none_is_kept(make_bench):
    bench = make_bench(steady=True, no_store=True)
    status, reply = put(bench, "tasks", {"sourceId": "a"}, {"sourceId": "b"})
    assert (status, reply["created"]) == (200, 2)
    assert [keys["sourceId"] for keys in reply["insertsKeys"]] == ["a", "b"]
    assert bench.rows("tasks") == []


def test_a_value_of_the_wrong_type_fails_its_item_alone(bench, name):
    bad = bench.payload(name, sourceId="b", custom="text")
    status, reply = put(bench, name, bad, bench.payload(name, sourceId="g"))
    assert (status, reply["created"]) == (206, 1)
    assert reply["createdErrors"][0]["message"] == "Cast to object failed at path custom"
