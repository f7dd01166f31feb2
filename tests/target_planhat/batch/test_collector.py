from __future__ import annotations

from dataclasses import dataclass

import pytest

from planhat_api.resources import CONVERSATIONS, TASKS
from target_planhat.batch.collector import RUN, STATE_INTERVAL, Collector
from target_planhat.item import Item
from target_planhat.outcome import SKIPPED, rejected

MESSAGE = b'{"type":"RECORD","record":{"n":%d}}\n'


@dataclass(eq=False)
class FakeSink:
    """Prepares what it is given."""

    resource: object = TASKS

    @property
    def source(self):
        return self

    def prepare(self, record, _line):
        return record.get("what") or Item(record, {})


class Bench:
    """A collector, what it submitted, and a clock."""

    def __init__(self, batch_size=10):
        self.batches = []
        self.idle = True
        self.now = 0.0
        self.collector = Collector(
            self.batches.append, lambda: self.idle, batch_size=batch_size, clock=lambda: self.now
        )

    def add(self, sink, count=1, **record):
        for number in range(count):
            self.collector.add(sink, {"n": number, **record}, MESSAGE % number)

    @property
    def sizes(self):
        return [
            {name: len(entries) for name, entries in batch.records.items()}
            for batch in self.batches
        ]


@pytest.fixture
def bench():
    return Bench()


def test_a_full_batch_is_handed_on(bench):
    bench.add(FakeSink(), 25)
    assert bench.sizes == [{"tasks": 10}, {"tasks": 10}]
    bench.collector.flush()
    assert bench.sizes[2] == {"tasks": 5}
    positions = [entry.position for batch in bench.batches for entry in batch.records["tasks"]]
    assert positions == list(range(25))


def test_nothing_is_handed_on_where_there_is_nothing(bench):
    bench.collector.flush()
    assert bench.batches == []


def test_streams_of_one_resource_keep_their_common_order(bench):
    one, two = FakeSink(), FakeSink()
    for sink in (one, two, one):
        bench.add(sink)
    bench.collector.flush()
    [batch] = bench.batches
    assert [entry.source for entry in batch.records["tasks"]] == [one, two, one]


def test_streams_that_alternate_share_a_load(bench):
    tasks, notes = FakeSink(), FakeSink(CONVERSATIONS)
    for _ in range(10):
        bench.add(tasks)
        bench.add(notes)
    assert bench.sizes == [{"tasks": 10, "conversations": 9}]


def test_a_stream_is_drained_when_another_follows_its_run():
    bench = Bench(batch_size=5000)
    bench.add(FakeSink(), RUN)
    bench.add(FakeSink(CONVERSATIONS))
    assert bench.sizes == [{"tasks": RUN}]


def test_a_state_goes_with_the_records_before_it(bench):
    bench.add(FakeSink(), 3)
    bench.collector.add_state("a")
    bench.add(FakeSink(), 7)
    assert bench.batches[0].states == [(3, "a")]


def test_a_state_with_nothing_to_wait_for_is_handed_on_at_once(bench):
    bench.collector.add_state("a")
    assert bench.batches[0].states == [(0, "a")]
    bench.idle = False
    bench.collector.add_state("b")
    assert len(bench.batches) == 1


def test_a_state_has_a_part_of_a_batch_sent_when_it_is_time_and_nothing_is_in_flight(bench):
    bench.add(FakeSink(), 3)
    bench.collector.add_state("a")
    assert bench.batches == []
    bench.now = STATE_INTERVAL
    bench.idle = False
    bench.collector.add_state("b")
    assert bench.batches == []
    bench.idle = True
    bench.collector.add_state("c")
    assert bench.batches[0].states[-1] == (3, "c")


@pytest.mark.parametrize("count", [*range(1, 101), 1000, 1001])
def test_of_very_many_states_the_last_is_kept(bench, count):
    bench.idle = False
    bench.add(FakeSink())
    for number in range(count):
        bench.collector.add_state(number)
    bench.collector.flush()
    states = bench.batches[0].states
    assert states[-1] == (1, count - 1)
    assert len(states) < 50


def test_refused_and_skipped_records_go_along(bench):
    sink = FakeSink()
    bench.add(sink, 1, what=rejected("no"))
    bench.add(sink, 2, what=SKIPPED)
    bench.add(sink)
    bench.collector.flush()
    [batch] = bench.batches
    assert [entry.position for entry in batch.ended] == [0]
    assert batch.skipped == {sink: 2}
    assert batch.records["tasks"][0].position == 3


def test_refused_records_alone_fill_a_load_too(bench):
    bench.add(FakeSink(), 10, what=rejected("no"))
    assert len(bench.batches) == 1
