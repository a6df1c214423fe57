"""What a parser may take."""

import subprocess
import sys

import pytest

PROGRAM = """
from components.corpus.limits import MIB, memory

def taken(size):
    try:
        return len(bytearray(size)) == size
    except MemoryError:
        return False

with memory(64 * MIB):
    print(taken(32 * MIB), taken(256 * MIB))
print(taken(256 * MIB))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what a process has")
def test_memory_is_bounded_within_the_block_and_not_behind_it():
    told = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True).stdout
    assert told.split() == ["True", "False", "True"]
