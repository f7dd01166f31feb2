from __future__ import annotations

import ctypes
import platform
import subprocess
import sys

import pytest

from planhat_api.calls.memory import give_back_large_blocks

GAPS = """
import resource
import sys

from planhat_api.calls.memory import give_back_large_blocks

if "told" in sys.argv:
    assert give_back_large_blocks()
# Once freed, such a block teaches the C library to keep its like.
del (block := [bytearray(30_000_000)])[:]
blocks, between = [], []
for _ in range(20):
    blocks.append(bytearray(2_000_000))
    between.append(bytearray(50_000))
blocks.clear()
pages = int(open("/proc/self/statm").read().split()[1])
print(pages * resource.getpagesize() // 1_000_000)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a habit of the GNU C library")
def test_large_blocks_are_given_back():
    def held(*arguments):
        command = [sys.executable, "-c", GAPS, *arguments]
        return int(subprocess.run(command, check=True, capture_output=True).stdout)

    assert held() - held("told") > 20


@pytest.mark.parametrize("error", [AttributeError, OSError, TypeError])
def test_another_c_library_is_left_alone(monkeypatch, error):
    def none(_):
        raise error

    monkeypatch.setattr(ctypes, "CDLL", none)
    assert not give_back_large_blocks()
