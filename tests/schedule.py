"""The order of a run on several processes: a file is a group that stays together, and the longest begin first.

A file that starts last and takes longest is what everybody waits for. Files whose tests share nothing are dealt test
by test.
"""

from __future__ import annotations

import pytest

LONGEST = (  # seconds of one run, rounded; only their order matters
    "functional/test_workers.py",
    "functional/test_stores_fail.py",
)
SHARE_NOTHING = ("functional/test_stores_fail.py",)


def arrange(items: list[pytest.Item]) -> None:
    """Group the tests for `--dist loadgroup` and put the longest first; the order within a file stays."""
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(_file(item), len(places)))
    for item in items:
        if _file(item) not in SHARE_NOTHING and item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(_file(item)))


def _file(item: pytest.Item) -> str:
    """Return its path below tests/."""
    return item.nodeid.partition("::")[0].removeprefix("tests/")
