"""Whatever happens to the tenant, the runs and STATE: no edit and no deletion is lost."""

from __future__ import annotations

import os

import pytest

HISTORIES = int(os.environ.get("PLANHAT_HISTORIES", "8"))
"""Of each kind; `PLANHAT_HISTORIES=400` lives 6,000 of them."""
KINDS = {
    "calm": {},
    "killed": {"deaths": 0.02},
    "put back": {"put_back": 0.3},
    "both": {"deaths": 0.02, "put_back": 0.3},
}
STREAMS = {"one list": {}, "two lists": {"lists": 2}, "answers": {"pairs": True}}


def lived(history, seed, **how):
    """Return a history of a few runs."""
    past = history(seed, **how)
    for _ in range(past.random.randrange(5, 25)):
        past.insert()
    for _ in range(past.random.randrange(2, 8)):
        past.run(rescan=past.random.random() < 0.5)
    return past


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_edit_and_deletion_reaches_the_loader(history, kind, stream):
    for seed in range(HISTORIES):
        past = lived(history, seed, **KINDS[kind], **STREAMS[stream], exact=kind == "calm")
        assert not past.check(), f"seed {seed}"


@pytest.mark.parametrize("stream", STREAMS)
def test_another_shape_or_range_loses_no_edit_and_names_nothing_that_lives(history, stream):
    for seed in range(HISTORIES):
        past = lived(history, seed, deaths=0.02, put_back=0.1, **STREAMS[stream])
        past.shape = past.random.choice(("plain", "without custom"))
        past.range = past.random.choice(("all", "of one company"))
        past.deaths = past.put_back = 0
        past.run(rescan=past.random.random() < 0.5)
        past.run(rescan=True)
        # What went before the first rescan in another range cannot be told.
        past.forgiven |= past.loaded.keys()
        assert not past.check(), f"seed {seed}"


def test_a_full_table_emits_everything_and_makes_a_base(history):
    past = lived(history, 1)
    past.check()
    past.emitted = 0
    past.run(rescan=True, everything=True)
    assert past.emitted == len(past.rows)
    past.emitted = 0
    past.run(rescan=True)
    assert past.emitted == 0


def test_another_shape_emits_everything_once(history):
    past = lived(history, 1)
    past.check()
    past.shape, past.emitted = "without custom", 0
    past.run(rescan=True)
    past.run(rescan=True)
    assert past.emitted == len(past.rows)
