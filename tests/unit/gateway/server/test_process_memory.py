"""Which parts of a process are moved into large pages, and that they are."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from gateway.server.process_memory import PAGE, Region, heap

SMAPS = """\
55f0c0000000-55f0c0800000 rw-p 00000000 00:00 0                          [heap]
Size:               8192 kB
Rss:                8192 kB
Shared_Clean:          0 kB
Shared_Dirty:          4 kB
VmFlags: rd wr mr mw me ac sd
7f0000000000-7f0000400000 rw-p 00000000 00:00 0
Size:               4096 kB
Rss:                4000 kB
Shared_Clean:          0 kB
Shared_Dirty:          0 kB
VmFlags: rd wr mr mw me ac sd
7f0000400000-7f0000500000 r--p 00000000 08:01 1835                       /usr/lib/a file
Size:               1024 kB
Rss:                1024 kB
Shared_Clean:       1024 kB
Shared_Dirty:          0 kB
VmFlags: rd mr mw me sd
7f0000500000-7f0000600000 rw-p 00000000 00:00 0                          [stack]
Size:               1024 kB
Rss:                  12 kB
VmFlags: rd wr mr mw me gd ac
"""
MEASURE = """
import os
from gateway.server.process_memory import use_large_pages

kept = [object() for _ in range(1_000_000)]
moved = use_large_pages()
again = use_large_pages()
huge = next(int(line.split()[1]) * 1024 for line in open("/proc/self/smaps_rollup") if "AnonHugePages" in line)
reader, writer = os.pipe()
if os.fork() == 0:
    os.write(writer, str(use_large_pages()).encode())
    os._exit(0)
print(moved, again, huge, int(os.read(reader, 64)), len(kept))
"""


def test_the_heap_is_what_is_of_no_file():
    first, second = heap(SMAPS)
    assert first == Region(0x55F0C0000000, 0x55F0C0800000, 8192 * 1024, 4096)
    assert second == Region(0x7F0000000000, 0x7F0000400000, 4000 * 1024, 0)
    assert not first.is_settled  # a parent has it, too
    assert second.is_settled


def test_a_region_is_taken_as_far_as_large_pages_lie_in_it():
    assert list(Region(PAGE - 4096, 3 * PAGE + 4096, 0, 0).pages) == [PAGE, 2 * PAGE]
    assert list(Region(PAGE, 2 * PAGE, 0, 0).pages) == [PAGE]
    assert list(Region(PAGE + 4096, 2 * PAGE + 4096, 0, 0).pages) == []


def test_memory_that_is_not_there_yet_is_not_made():
    assert not Region(0, 8 * PAGE, 6 * PAGE, 0).is_settled


def can_collapse() -> bool:
    setting = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    release = tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2])
    return setting.exists() and "[never]" not in setting.read_text() and release >= (6, 1)


def test_the_heap_of_a_process_moves_but_not_what_a_fork_shares():
    run = subprocess.run(
        [sys.executable, "-c", MEASURE], capture_output=True, text=True, check=True, timeout=60
    )
    moved, again, huge, in_fork, _ = map(int, run.stdout.split())
    assert in_fork == 0
    if can_collapse():
        # The kernel may not have had every large page the first time: the second call takes what is left.
        assert again >= moved >= 4 * PAGE
        # What the calls themselves used is free again, and the end of the heap that it was goes back in small pages.
        assert huge >= 4 * PAGE
    else:
        assert moved == again == 0
