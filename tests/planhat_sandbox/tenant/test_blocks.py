from bisect import bisect_left

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planhat_sandbox.tenant import blocks
from planhat_sandbox.tenant.blocks import SortedBlocks

ENTRIES = st.tuples(st.integers(0, 9), st.integers(0, 99))


@pytest.fixture(autouse=True, scope="module")
def small_blocks():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "BLOCK", 3)
        yield


@pytest.mark.untraced
@settings(max_examples=150, deadline=None)
@given(
    st.sets(ENTRIES, max_size=40),
    st.lists(st.tuples(st.booleans(), ENTRIES), max_size=60),
    st.integers(0, 60),
    st.integers(0, 60),
)
def test_behaves_as_a_sorted_list_whatever_is_added_and_removed(start, steps, low, high):
    tree, model = SortedBlocks(start), sorted(start)
    for add, entry in steps:
        if add and entry not in model:
            tree.add(entry)
            model = sorted([*model, entry])
        elif not add and entry in model:
            tree.remove(entry)
            model.remove(entry)
        assert len(tree) == len(model)
        assert tree.position(entry) == bisect_left(model, entry)
        assert tree.position(entry[:1]) == bisect_left(model, entry[:1])
        assert tree.slice(low, high) == model[low:high]
    assert [tree.at(place) for place in range(len(model))] == model


@pytest.mark.parametrize("start", [[], [(1,), (3,)]])
def test_removing_what_is_not_there_is_an_error(start):
    tree = SortedBlocks(start)
    for missing in ((0,), (2,), (4,)):
        with pytest.raises(KeyError):
            tree.remove(missing)
    assert len(tree) == len(start)
