from __future__ import annotations

import pytest

from planhat_api import errors
from planhat_api.resources import CAMPAIGNS, CONVERSATIONS, NPS, TASKS
from target_planhat.batch.delete import delete
from target_planhat.item import Deletion
from target_planhat.outcome import DELETED, OutcomeKind

ID = "5f1b7a9e1a2b3c4d5e6f7a01"
CONTACT = "5f1b7a9e1a2b3c4d5e6f7a02"


def _key_of(path, row):
    """The key that was asked for, which a row shows that does not say otherwise."""
    name = {"srcid-": "sourceId", "extid-": "externalId"}.get(path[:6])
    return {name: path[6:]} if name and name not in row else {}


@pytest.fixture
def planhat(make_server):
    def made(rows=(), **more):
        server = make_server(**more)
        server.rows = {key: {**row, **_key_of(key, row)} for key, row in dict(rows).items()}
        return server

    return made


def test_an_id_deletes_at_once_and_gone_already_counts_as_deleted(planhat):
    server = planhat()
    assert delete(server.api(TASKS), Deletion({"_id": ID, "sourceId": "a"}, None)) is DELETED
    assert server.deleted == [ID]


@pytest.mark.parametrize(
    ("resource", "keys", "path"),
    [
        (TASKS, {"sourceId": "a"}, "srcid-a"),
        (CONVERSATIONS, {"externalId": "e", "sourceId": "a"}, "extid-e"),
        (CAMPAIGNS, {"externalId": "e", "sourceId": "a"}, "srcid-a"),
    ],
)
def test_the_id_is_looked_up_by_the_key_planhat_would_try_first(planhat, resource, keys, path):
    server = planhat({path: {"_id": ID}})
    assert delete(server.api(resource), Deletion(keys, None)) is DELETED
    assert server.deleted == [ID]


def test_what_is_found_by_no_key_is_gone(planhat):
    server = planhat()
    assert delete(server.api(TASKS), Deletion({"sourceId": "a"}, None)) is DELETED
    assert server.deleted == []


def test_an_nps_answer_is_deleted_by_its_own_id_not_by_its_contacts(planhat):
    server = planhat({"srcid-a": {"_id": CONTACT, "npsId": ID, "sourceId": "a"}})
    assert delete(server.api(NPS), Deletion({"sourceId": "a"}, None)) is DELETED
    assert server.deleted == [ID]


def test_an_nps_row_that_does_not_tell_its_own_id_is_not_deleted(planhat):
    server = planhat({"srcid-a": {"_id": CONTACT, "sourceId": "a"}})
    assert delete(server.api(NPS), Deletion({"sourceId": "a"}, None)).kind is OutcomeKind.REJECTED
    assert server.deleted == []


@pytest.mark.parametrize(
    "row",
    [
        {"_id": ID, "externalId": "e", "companyId": "another"},
        {"_id": ID, "externalId": "another", "companyId": "c"},
        {"externalId": "e", "companyId": "c"},
    ],
)
def test_another_record_than_the_one_meant_is_not_deleted(planhat, row):
    server = planhat({"extid-e": row})
    outcome = delete(server.api(CONVERSATIONS), Deletion({"externalId": "e"}, "c"))
    assert outcome.kind is OutcomeKind.REJECTED
    assert server.deleted == []


@pytest.mark.parametrize("company", ["extid-C-1", "srcid-7"])
def test_a_company_named_by_its_own_id_does_not_stand_in_the_way_of_a_key_unique_in_all(
    planhat, company
):
    keys = {"externalId": "e", "sourceId": "a"}
    server = planhat({"srcid-a": {"_id": ID, "companyId": CONTACT}, "extid-e": {"_id": CONTACT}})
    assert delete(server.api(CAMPAIGNS), Deletion(keys, company)) is DELETED
    assert server.deleted == [ID]


def test_an_external_id_whose_company_cannot_be_compared_deletes_nothing_and_says_what_to_send(
    planhat,
):
    server = planhat({"extid-e": {"_id": ID, "externalId": "e", "companyId": CONTACT}})
    outcome = delete(server.api(CONVERSATIONS), Deletion({"externalId": "e"}, "extid-C-1"))
    assert outcome.reason.endswith("send the company's _id, or the conversation's _id.")
    assert server.deleted == []


def test_a_conversation_that_cannot_be_read_by_its_source_id_does_not_count_as_gone(planhat):
    server = planhat({"srcid-a": {"_id": ID, "sourceId": "a"}})
    for keys in ({"sourceId": "a"}, {"_id": CONTACT, "sourceId": "a"}):
        outcome = delete(server.api(CONVERSATIONS), Deletion(keys, None))
        assert outcome.kind is OutcomeKind.REJECTED
        assert "send its _id or externalId" in outcome.reason
    assert ID not in server.deleted
    assert server.reads == []


def test_an_id_that_names_no_record_leaves_the_other_keys_to_find_it(planhat):
    server = planhat({"srcid-a": {"_id": ID, "sourceId": "a"}})
    deletion = Deletion({"_id": CONTACT, "sourceId": "a"}, None)
    assert delete(server.api(TASKS), deletion) is DELETED
    assert server.deleted == [CONTACT, ID]


def test_a_record_that_is_gone_by_every_key_is_deleted(planhat):
    server = planhat()
    deletion = Deletion({"_id": ID, "sourceId": "a", "externalId": "e"}, None)
    assert delete(server.api(CAMPAIGNS), deletion) is DELETED
    assert server.reads == ["srcid-a", "extid-e"]


@pytest.mark.parametrize(
    "row", [{}, {"_id": ID}, {"_id": ID, "sourceId": None}, {"_id": ID, "sourceId": "other"}]
)
def test_a_row_that_lacks_the_key_asked_for_deletes_nothing(planhat, row):
    server = planhat()
    server.rows = {"srcid-a": row}
    outcome = delete(server.api(TASKS), Deletion({"sourceId": "a"}, None))
    assert outcome.kind is OutcomeKind.REJECTED
    assert server.deleted == []


def test_a_row_that_another_key_contradicts_is_another_record(planhat):
    server = planhat({"extid-e": {"_id": ID, "sourceId": "b"}})
    deletion = Deletion({"sourceId": "a", "externalId": "e"}, None)
    assert delete(server.api(CAMPAIGNS), deletion).kind is OutcomeKind.REJECTED
    assert server.deleted == []


@pytest.mark.parametrize("keys", [{"_id": ID}, {"sourceId": "a"}])
@pytest.mark.parametrize(
    "fault", [{"listed": CONTACT}, {"list_error": errors.NotFoundError("GET /tasks", "404")}]
)
def test_where_every_read_is_answered_by_404_nothing_counts_as_gone(planhat, keys, fault):
    outcome = delete(planhat(**fault).api(TASKS), Deletion(keys, None))
    assert outcome.kind is OutcomeKind.REJECTED
    assert "not known to be gone" in outcome.reason


def test_a_token_that_may_not_list_believes_the_deletions_own_answer(planhat):
    server = planhat(list_error=errors.PermissionDeniedError("GET /tasks", "403"))
    assert delete(server.api(TASKS), Deletion({"_id": ID}, None)) is DELETED


def test_an_nps_row_of_the_property_tables_shape_tells_its_id_too(planhat):
    server = planhat({"srcid-a": {"_id": ID, "euId": CONTACT, "sourceId": "a"}})
    assert delete(server.api(NPS), Deletion({"sourceId": "a"}, None)) is DELETED
    assert server.deleted == [ID]


def test_a_record_without_any_key_is_rejected(planhat):
    assert delete(planhat().api(TASKS), Deletion({}, None)).kind is OutcomeKind.REJECTED


@pytest.mark.parametrize(
    "error", [errors.PermissionDeniedError("DELETE", "403"), errors.PayloadError("DELETE", "400")]
)
def test_a_refusal_is_a_reject(planhat, error):
    outcome = delete(planhat(delete_error=error).api(TASKS), Deletion({"_id": ID}, None))
    assert outcome.kind is OutcomeKind.REJECTED


def test_a_server_that_is_down_is_an_error(planhat):
    server = planhat(delete_error=errors.ServerFaultError("DELETE", "500"))
    with pytest.raises(errors.ServerFaultError):
        delete(server.api(TASKS), Deletion({"_id": ID}, None))
