"""Memory that is freed is given back."""

import subprocess
import sys

import pytest

PROGRAM = """
import sys
from indexer.runtime.memory import return_large_blocks

def resident_mb():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 / 1e6

return_large_blocks()
first = b"x" * (30 << 20)
del first  # with this, glibc would keep all that is smaller
blocks = [b"x" * (8 << 20) for _ in range(10)]
above = [b"x" * 100_000 for _ in range(10)]
before = resident_mb()
del blocks
print(before - resident_mb())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="this is about glibc")
def test_large_blocks_are_given_back_when_they_are_freed() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert done.stderr == ""
    assert float(done.stdout) > 80
