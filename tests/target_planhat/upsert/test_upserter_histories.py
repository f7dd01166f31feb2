"""Whole histories against a server that lies where nothing is documented, and that changes."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from target_planhat.outcome import OutcomeKind
from target_planhat.upsert.chunks import calls_to_find
from target_planhat.upsert.resolver import EXTRA_CALLS

KEYS = [f"s{number}" for number in range(30)]
behaviours = st.builds(
    dict,
    seed=st.integers(0, 10_000),
    shapes=st.lists(
        st.sampled_from(["keys", "nested", "item", "text", "mute", "misleading"]),
        min_size=1,
        unique=True,
    ).map(tuple),
    lists=st.sampled_from([0.0, 0.5, 1.0]),
    zeros=st.sampled_from([0.0, 0.5, 1.0]),
    all_or_nothing=st.booleans(),
    lost=st.sampled_from([0.0, 0.2]),
    failing=st.sampled_from([0.0, 0.2]),
    limit=st.sampled_from([None, None, 700]),
)
changes = st.lists(
    st.tuples(st.sampled_from(["bar", "bar", "free", "remove"]), st.sampled_from(KEYS)), max_size=12
)


class Histories(RuleBasedStateMachine):
    """Batches of one run, and what others do between the requests of each."""

    def __init__(self, make_server, manners, make_item):
        super().__init__()
        self.make_server, self.manners, self.make_item = make_server, manners, make_item

    @initialize(behaviour=behaviours)
    def begin(self, behaviour):
        self.behaviour = behaviour
        self.server = self.make_server(self.manners(**behaviour))
        self.upserter = self.server.upserter(max_items=20)
        self.version = 0
        # Gets through whatever happens, which tells a server that is up.
        self.upserter.upsert([self.make_item(sourceId="first")])

    @rule(barred=st.sets(st.sampled_from(KEYS), max_size=8))
    def bar(self, barred):
        self.server.barred = barred

    @rule(
        keys=st.one_of(
            st.lists(st.sampled_from(KEYS), min_size=1, max_size=40),
            st.lists(st.sampled_from(KEYS), min_size=8, max_size=20, unique=True),
        ),
        dropped=st.sets(st.sampled_from(KEYS), max_size=2),
        between=changes,
    )
    def upsert(self, keys, dropped, between):
        server = self.server
        items = []
        for key in keys:
            self.version += 1
            lost = {"drop": True} if key in dropped else {}
            hint = f"s{self.version % 30}"
            items.append(self.make_item(sourceId=key, n=self.version, hint=hint, **lost))
        server.changes, server.applied, server.told = list(between), [], []
        calls = server.calls
        result = self.upserter.upsert(items)
        assert result.error is None
        bound = EXTRA_CALLS + calls_to_find(len(items), len(items)) + 3 * len(items)
        assert server.calls - calls <= bound
        self.check(items, result.outcomes, between)

    def check(self, items, outcomes, between):
        written = set(self.server.applied)
        changed = len(between) > len(self.server.changes)
        for item, outcome in zip(items, outcomes, strict=True):
            key, version = item.body["sourceId"], item.body["n"]
            if outcome is None:
                assert changed
            elif outcome.kind is OutcomeKind.REJECTED:
                assert changed or (key, version) not in written
            elif outcome.kind is not OutcomeKind.MERGED:
                assert (key, version) in written
        rejected = {
            item.body["sourceId"]
            for item, outcome in zip(items, outcomes, strict=True)
            if outcome is not None and outcome.kind is OutcomeKind.REJECTED
        }
        sent, answer = self.server.told[0]
        reliable = not self.behaviour["lost"] and not self.behaviour["limit"]
        body = answer.body if isinstance(answer.body, dict) else {}
        counted = sum(body.get(name, 0) for name in ("created", "updated", "nonupdates"))
        if reliable and sent == len({item.body["sourceId"] for item in items}) and counted:
            assert len(rejected) <= sent - counted

    @invariant()
    def no_record_is_there_twice(self):
        if hasattr(self, "server"):
            keys = Counter(row["sourceId"] for row in self.server.records.values())
            assert set(keys.values()) <= {1}


@pytest.mark.untraced
def test_no_history_loses_doubles_or_wrongly_rejects_a_record(make_server, manners, make_item):
    run_state_machine_as_test(
        lambda: Histories(make_server, manners, make_item),
        settings=settings(
            max_examples=60,
            stateful_step_count=12,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
