"""manage.py revoke --here: the key is denied where the database knows it, and where it cannot say (test_revoke.py)."""

from __future__ import annotations

from io import StringIO
from types import SimpleNamespace

import pytest
from django.core.management import CommandError, call_command

from tenants.api_keys.deny_list import DenyList
from tenants.audit import Actor
from tenants.models import Tenant
from tenants.services import NewKey, create_key

pytestmark = pytest.mark.django_db


@pytest.fixture
def data_dir(tmp_path, settings):
    settings.GATEWAY = SimpleNamespace(data_dir=tmp_path)
    return tmp_path


@pytest.fixture(autouse=True)
def key():
    tenant = Tenant.objects.create(name="acme")
    for prefix in ("abc-1_2", "abc"):
        create_key(tenant, NewKey(name="app", prefix=prefix), pepper=b"p", actor=Actor("test"))


@pytest.mark.parametrize("given", ["abc-1_2", "sk-abc-1_2", "sk-abc-1_2.the.secret~"])
def test_the_prefix_is_denied_however_it_is_given(data_dir, given):
    out = StringIO()
    call_command("revoke", given, "--here", stdout=out)
    listed = DenyList(data_dir)
    listed.refresh()
    assert listed.prefixes == {"abc-1_2"}
    assert "secret" not in out.getvalue()


@pytest.mark.parametrize("given", ["", "no prefix", "x" * 33, "a\nb", "ü"])
def test_what_is_no_prefix_is_bad_usage(data_dir, given):
    with pytest.raises(CommandError) as refusal:
        call_command("revoke", given, "--here")
    assert refusal.value.returncode == 2
    assert list(data_dir.iterdir()) == []


def test_a_directory_that_cannot_be_written_is_said(settings, tmp_path):
    settings.GATEWAY = SimpleNamespace(data_dir=tmp_path / "nowhere")
    with pytest.raises(CommandError, match="cannot be written"):
        call_command("revoke", "abc", "--here")


@pytest.mark.parametrize("word", ["hello", "ABC", "abc-1_3", "sk-nobody.secret", "abc1_2"])
def test_a_word_that_is_the_prefix_of_no_key_denies_nothing(data_dir, word):
    with pytest.raises(CommandError, match=r"There is no key sk-.*: nothing was denied") as refusal:
        call_command("revoke", word, "--here")
    assert refusal.value.returncode == 1
    assert list(data_dir.iterdir()) == []
