from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from planhat_api.resources import CAMPAIGNS, CONVERSATIONS, RESOURCES

SAMPLES = Path(__file__).parents[2] / "fixtures" / "samples"
ID = "6102c9748084189dcbf0df60"
OTHER_ID = "58e231b14246fc73139f29e8"
COMPANY = "61006bc89a3e0b702ed8ea49"
TASK = {"sourceId": "sf-1", "companyId": COMPANY}


@pytest.mark.parametrize("value", ["1234", ID[:-1], ID + "0", "g" * 24, 12, True, "srcid-1", [ID]])
def test_an_id_that_is_not_planhats_is_rejected(reason, value):
    assert "`_id` must be a Planhat id of 24 hexadecimal digits" in reason({"_id": value})
    assert "`ownerId` must be a Planhat id" in reason({**TASK, "ownerId": value})


def test_ids_are_sent_in_the_case_in_which_planhat_answers(item):
    assert item({"_id": f" {ID.upper()} "}).keys == {"_id": ID}


@pytest.mark.parametrize("resource", RESOURCES.values(), ids=lambda resource: resource.name)
@pytest.mark.parametrize("value", [COMPANY, "extid-4711", "srcid-0015g", "extid-a b"])
def test_a_company_may_be_named_by_its_own_ids(item, resource, value):
    made = item({"_id": ID, resource.company_property: value}, resource)
    assert made.body[resource.company_property] == value
    assert made.company == value


@pytest.mark.parametrize("value", ["4711", 4711, "extid-", "srcid- ", "extid4711", "sourceid-1"])
def test_a_company_that_cannot_be_found_is_rejected(reason, value):
    assert "behind extid- or srcid-" in reason({"sourceId": "1", "companyId": value})


@pytest.mark.parametrize(
    ("value", "key"), [(1234, "1234"), (12.0, "12"), (Decimal(7), "7"), (" a ", " a "), ("A", "A")]
)
def test_keys_are_sent_as_text_and_otherwise_as_they_are(item, value, key):
    assert item({**TASK, "sourceId": value}).keys == {"sourceId": key}


@pytest.mark.parametrize("value", [True, 1e22, 2.0**53, [1], float("nan")])
def test_a_key_that_several_records_could_share_by_accident_is_rejected(reason, value):
    assert "`sourceId` must be text" in reason({**TASK, "sourceId": value})


def test_keys_stand_in_the_order_in_which_planhat_tries_them(item):
    record = {"sourceId": "s", "externalId": "e", "companyId": COMPANY, "_id": ID}
    assert list(item(record, CAMPAIGNS).keys) == ["_id", "sourceId", "externalId"]
    assert list(item(record, CONVERSATIONS).keys) == ["_id", "externalId", "sourceId"]


def test_an_external_id_is_the_same_only_within_its_company(item):
    record = {"_id": ID, "sourceId": "s", "externalId": "e"}
    made = item({**record, "companyId": COMPANY}, CAMPAIGNS)
    assert made.identities == (("_id", ID), ("sourceId", "s"), ("externalId", "e", COMPANY))
    assert item(record, CAMPAIGNS).identities == (("_id", ID), ("sourceId", "s"))


def test_an_external_id_that_would_be_searched_in_all_companies_is_rejected(item, reason):
    assert "add `companyId`" in reason({"externalId": "e"}, CAMPAIGNS)
    assert "add `companyId`" in reason({"externalId": "e", "sourceId": "s"}, CONVERSATIONS)
    assert item({"externalId": "e", "sourceId": "s"}, CAMPAIGNS).keys["externalId"] == "e"


def test_a_key_that_may_not_be_matched_on_is_not_sent_nor_checked(item):
    record = {"_id": "of another system", "sourceId": "s", "companyId": COMPANY}
    made = item(record, match_on=("sourceId", "externalId"))
    assert made.keys == {"sourceId": "s"}
    assert made.body == {"companyId": COMPANY, "sourceId": "s"}


def test_a_record_without_a_key_gets_one_from_its_key_properties(item):
    made = item({"id": 12, "companyId": COMPANY}, stream="public-tasks")
    assert made.keys == {"sourceId": "public-tasks:12"}
    assert made.body == {"companyId": COMPANY, "sourceId": "public-tasks:12"}
    assert made.generated
    assert not item(TASK).generated


def test_a_conversation_gets_an_external_id(item):
    made = item({"id": 12, "companyId": COMPANY}, CONVERSATIONS)
    assert made.identities == (("externalId", "conversations:12", COMPANY),)


@pytest.mark.parametrize("value", [12, "12", 12.0, Decimal("12.0")])
def test_a_generated_key_is_the_same_whatever_type_the_value_comes_in(item, value):
    assert item({"id": value, "companyId": COMPANY}).keys == {"sourceId": "tasks:12"}


def test_generated_keys_of_two_records_never_meet(item):
    texts = ["", "a", "b", ":", "a:b", "a:", ":b", "%", "%3A", "a%3Ab"]
    keys = [
        item({"x": one, "y": other, "companyId": COMPANY}, keys=("x", "y")).keys["sourceId"]
        for one in texts
        for other in texts
        if one or other
    ]
    assert len(set(keys)) == len(keys)


def test_a_part_of_a_generated_key_may_be_blank_but_not_all_of_it(item, reason):
    record = {"x": "", "y": 1, "companyId": COMPANY}
    assert item(record, keys=("x", "y")).keys == {"sourceId": "tasks::1"}
    assert "'x' and 'y' is empty" in reason({**record, "y": ""}, keys=("x", "y"))


@pytest.mark.parametrize("value", [None, "", " "])
def test_no_key_is_made_from_nothing(reason, value):
    assert "'id' is empty" in reason({"id": value, "companyId": COMPANY})


@pytest.mark.parametrize("value", [[1], {"a": 1}, float("nan"), 1e22])
def test_no_key_is_made_from_what_does_not_tell_records_apart(reason, value):
    assert "`id` must be text or an exact whole number" in reason(
        {"id": value, "companyId": COMPANY}
    )


def test_without_key_properties_a_record_without_key_is_rejected_unless_keys_are_off(item, reason):
    assert "key properties" in reason({"companyId": COMPANY}, keys=())
    assert "'id' is empty" in reason({"companyId": COMPANY}, keys=("id",))
    made = item({"companyId": COMPANY}, keys=(), generate_key=False)
    assert made.keys == {}
    assert made.identities == ()


def test_a_generated_key_keeps_to_match_on(item, reason):
    record = {"id": 1, "companyId": COMPANY, "name": "Spring"}
    assert item(record, CAMPAIGNS, match_on=("_id", "externalId")).keys == {
        "externalId": "campaigns:1"
    }
    assert "add sourceId to match_on" in reason(record, CAMPAIGNS, match_on=("_id",))
    assert item(record, CAMPAIGNS, match_on=("_id",), generate_key=False).keys == {}


def test_records_of_another_tenant_get_keys_from_ids_that_are_not_sent(item):
    record = {"_id": ID, "companyId": "extid-1"}
    made = item(record, keys=("_id",), match_on=("sourceId", "externalId"))
    assert made.body == {"companyId": "extid-1", "sourceId": f"tasks:{ID}"}
