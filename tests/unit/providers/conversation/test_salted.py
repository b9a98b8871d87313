"""No name of an end user or of a cache leaves the gateway as a tenant wrote it."""

from __future__ import annotations

from providers.conversation.request import Conversation, Turn
from providers.conversation.salted import salted
from providers.isolation.tenant_salt import Salts

CONVERSATION = Conversation(turns=(Turn("user", ()),), user="ann", prompt_cache_key="mine")


def test_names_are_those_of_a_call_that_passes() -> None:
    salt = Salts(b"secret").for_tenant(1)
    found = salted(CONVERSATION, salt)
    assert found.user == salt.name_of("user", "ann")
    assert found.prompt_cache_key == salt.name_of("prompt_cache_key", "mine")
    assert salted(CONVERSATION, Salts(b"secret").for_tenant(2)).user != found.user


def test_a_call_without_names_has_its_tenants_cache_and_no_user() -> None:
    salt = Salts(b"secret").for_tenant(1)
    found = salted(Conversation(turns=()), salt)
    assert (found.user, found.prompt_cache_key) == ("", salt.own)


def test_the_operators_own_call_is_not_salted() -> None:
    assert salted(CONVERSATION, None) is CONVERSATION
