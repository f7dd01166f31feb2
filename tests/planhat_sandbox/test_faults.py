import random

import pytest

from planhat_sandbox.faults import ACCIDENTS, BadFaultError, Effects, Faults


def take(faults, method="GET", resource="tasks", **more):
    return faults.take(method, resource, rng=random.Random(1), **more)


def test_without_rules_nothing_happens():
    assert take(Faults()) == Effects()


def test_a_rule_is_for_the_next_call_only_by_default():
    faults = Faults()
    faults.add({"status": 500})
    assert [take(faults).status for _ in range(2)] == [500, None]
    faults.add({"status": 500, "count": 2, "skip": 1})
    assert [take(faults).status for _ in range(4)] == [None, 500, 500, None]
    assert faults.listed() == []
    faults.add({"status": 500, "count": None})
    assert [take(faults).status for _ in range(9)] == [500] * 9


def test_a_rule_is_for_the_method_and_resource_it_names():
    faults = Faults()
    faults.add({"status": 500, "method": "PUT", "resource": "nps"})
    assert take(faults).status is None
    assert take(faults, "PUT").status is None
    assert take(faults, "GET", "nps").status is None
    assert take(faults, "PUT", "nps").status == 500


def test_rules_add_up_and_the_later_one_prevails():
    faults = Faults()
    faults.add({"status": 500, "delay_ms": 5})
    faults.add({"status": 502})
    assert take(faults) == Effects(status=502, delay_ms=5)


@pytest.mark.parametrize(
    "wanted", [{"explode": True}, {"count": 3}, {"drop": "sometime"}, {"method": "GET"}]
)
def test_a_rule_that_would_do_nothing_is_rejected(wanted):
    faults = Faults()
    with pytest.raises(BadFaultError):
        faults.add(wanted)
    assert faults.listed() == []


def test_random_errors_come_at_the_given_rate_and_in_all_kinds():
    faults, rng = Faults(), random.Random(1)
    found = [faults.take("GET", "tasks", rng=rng, error_rate=0.25) for _ in range(2000)]
    bad = [effects for effects in found if effects != Effects()]
    assert 400 < len(bad) < 600
    assert {(e.status, e.drop) for e in bad} == {
        (a.get("status"), a.get("drop")) for a in ACCIDENTS
    }
