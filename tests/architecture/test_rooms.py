"""A folder has at most 15 files, so that a reader sees all of it at once. `__init__.py` does not count."""

from __future__ import annotations

from collections import Counter

from tests.support.sources import SOURCES, is_ours, name_of

MOST = 15
IN_ONE_FOLDER = frozenset(
    {"gateway/management/commands"}
)  # Django looks for an app's commands in this folder only


def crowded(names: list[str]) -> dict[str, int]:
    """Return the folders with too many files, and how many they have."""
    floors = Counter(name.rpartition("/")[0] for name in names if not name.endswith("/__init__.py"))
    return {folder: count for folder, count in floors.items() if count > MOST and folder not in IN_ONE_FOLDER}


def test_no_folder_has_more_than_15_files():
    assert crowded([name_of(path) for path in SOURCES if is_ours(path)]) == {}


def test_crowded_folder_is_found():
    files = [f"gateway/api/{number}.py" for number in range(MOST + 1)]
    assert crowded([*files, "gateway/http/errors.py"]) == {"gateway/api": MOST + 1}
    assert crowded([*files[1:], "gateway/api/__init__.py"]) == {}
