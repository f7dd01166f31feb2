from __future__ import annotations

import threading

import pytest

from target_planhat.batch.worker import Worker


class Gate:
    """Processes a batch when it is let."""

    def __init__(self):
        self.began = threading.Semaphore(0)
        self.may_end = threading.Semaphore(0)
        self.done = []

    def __call__(self, batch):
        self.began.release()
        assert self.may_end.acquire(timeout=10)
        if isinstance(batch, Exception):
            raise batch
        self.done.append(batch)


@pytest.fixture
def gate():
    return Gate()


def test_loads_are_written_one_after_the_other_in_order(gate):
    worker = Worker(gate, lambda: None, lambda: None)
    for _ in range(3):
        gate.may_end.release()
    for batch in "abc":
        worker.submit(batch)
    worker.finish()
    assert gate.done == ["a", "b", "c"]


def test_one_load_is_in_flight_and_one_waits(gate):
    worker = Worker(gate, lambda: None, lambda: None)
    assert worker.is_idle()
    worker.submit("a")
    assert gate.began.acquire(timeout=10)
    worker.submit("b")
    assert not worker.is_idle()
    third = threading.Thread(target=worker.submit, args=("c",))
    third.start()
    third.join(0.3)
    assert third.is_alive()
    for _ in range(3):
        gate.may_end.release()
    third.join(10)
    worker.finish()
    assert gate.done == ["a", "b", "c"]


def test_an_error_surfaces_with_the_next_batch_and_nothing_more_is_written(gate):
    worker = Worker(gate, lambda: None, lambda: None)
    worker.submit(ValueError("down"))
    assert gate.began.acquire(timeout=10)
    worker.submit("waiting")
    for _ in range(1000):
        gate.may_end.release()
    with pytest.raises(ValueError, match="down"):  # noqa: PT012 - which of them it meets is open
        for _ in range(1000):
            worker.submit("later")
    worker.stop()
    assert gate.done == []


def test_an_error_surfaces_at_the_end(gate):
    worker = Worker(gate, lambda: None, lambda: None)
    gate.may_end.release()
    worker.submit(ValueError("down"))
    with pytest.raises(ValueError, match="down"):
        worker.finish()


def test_stopping_settles_what_is_in_flight_and_leaves_what_waits(gate):
    worker = Worker(gate, lambda: None, lambda: None)
    worker.submit("a")
    assert gate.began.acquire(timeout=10)
    worker.submit("b")
    stopping = threading.Thread(target=worker.stop)
    stopping.start()
    stopping.join(0.1)
    gate.may_end.release()
    stopping.join(10)
    assert not stopping.is_alive()
    assert gate.done == ["a"]


def test_stopping_before_anything_came_is_no_matter(gate):
    Worker(gate, lambda: None, lambda: None).stop()


def test_an_error_is_told_to_whoever_may_be_waiting_for_something_else(gate):
    told = threading.Event()
    worker = Worker(gate, told.set, lambda: None)
    gate.may_end.release()
    worker.submit(ValueError("down"))
    assert told.wait(10)
    with pytest.raises(ValueError, match="down"):
        worker.raise_error()
    worker.stop()


def test_a_batch_that_is_cut_short_by_the_end_of_the_run_tells_nobody():
    began, told, hurry = threading.Event(), threading.Event(), threading.Event()

    def process(_):
        began.set()
        assert hurry.wait(10)
        raise OSError

    worker = Worker(process, told.set, hurry.set)
    worker.submit("a")
    assert began.wait(10)
    worker.stop()
    assert not told.is_set()
