"""The list of denied keys: read when it changed, kept when it cannot be read, edited by people."""

from __future__ import annotations

import pytest

from tenants.api_keys.cache import KeyCache
from tenants.api_keys.deny_list import NAME, DenyList
from tenants.api_keys.known_prefixes import KnownPrefixes
from tenants.errors import InvalidKey
from tests.unit.tenants.key_database import Shelf


def test_nothing_is_denied_where_there_is_no_list(tmp_path):
    listed = DenyList(tmp_path)
    assert not listed.refresh()
    assert listed.prefixes == frozenset()


def test_another_process_sees_what_was_added(tmp_path):
    reader = DenyList(tmp_path)
    for prefix in ("abc", "xyz"):
        DenyList(tmp_path).add(prefix)
        assert reader.refresh()
        assert not reader.refresh()
    assert reader.prefixes == {"abc", "xyz"}
    assert (tmp_path / NAME).stat().st_mode & 0o077 == 0


def test_edits_of_the_deny_list_file_are_kept(tmp_path):
    listed = DenyList(tmp_path)
    (tmp_path / NAME).write_text("  abc  \n\nxyz")
    listed.add("new")
    assert listed.refresh()
    assert listed.prefixes == {"abc", "xyz", "new"}
    (tmp_path / NAME).unlink()
    assert listed.refresh()
    assert listed.prefixes == frozenset()


def test_a_list_that_cannot_be_read_stays_as_it_was(tmp_path):
    listed = DenyList(tmp_path)
    listed.add("abc")
    listed.refresh()
    (tmp_path / NAME).unlink()
    (tmp_path / NAME).mkdir()
    with pytest.raises(OSError, match="directory"):
        listed.refresh()
    assert listed.prefixes == {"abc"}


async def test_a_denied_key_is_refused_before_any_lookup():
    async def never(_: str) -> None:
        raise AssertionError("asked")

    cache = KeyCache(b"pepper", never, KnownPrefixes(Shelf().prefixes, pace_s=0.0))
    cache.denied = frozenset({"abc"})
    with pytest.raises(InvalidKey):
        await cache.caller("sk-abc.secret")
