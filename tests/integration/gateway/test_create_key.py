"""manage.py create_key."""

from __future__ import annotations

from io import StringIO

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from budgets.models import Budget
from tenants.api_keys import tokens
from tenants.models import ApiKey, Tenant

pytestmark = pytest.mark.django_db(transaction=True)


def create_key(*arguments: str) -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    call_command("create_key", *arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_the_token_alone_is_on_stdout():
    Tenant.objects.create(name="acme")

    out, err = create_key("acme", "--name", "App")

    prefix, secret = tokens.split(out.strip()) or ("", "")
    assert tokens.matches(settings.SECRETS.pepper, prefix, secret, ApiKey.objects.get().secret_hmac)
    assert secret not in err


def test_create_key_accepts_scopes_an_expiry_and_a_budget():
    Tenant.objects.create(name="acme")

    create_key("acme", "--scopes", "chat,embeddings", "--expires", "2099-01-31", "--budget-usd", "1.5")

    key = ApiKey.objects.get()
    assert (key.scopes, str(key.expires_at)) == (["chat", "embeddings"], "2099-01-31 00:00:00+00:00")
    assert (Budget.objects.get(key=key).limit_nanousd, key.name) == (1_500_000_000, "created in the shell")


def test_create_key_names_tenants_that_look_like_an_unknown_one():
    Tenant.objects.create(name="acme")

    with pytest.raises(CommandError, match="Did you mean: acme") as refused:
        create_key("acne")

    assert refused.value.returncode == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("--scopes", "chat,singing"),
        ("--expires", "tomorrow"),
        ("--expires", "2001-01-01"),
        ("--budget-usd", "0"),
        ("--budget-usd", "-1"),
        ("--budget-usd", "NaN"),
        ("--budget-usd", "much"),
        ("--budget-usd", "0.0000000001"),
    ],
)
def test_create_key_refuses_bad_arguments_with_exit_code_2(arguments):
    Tenant.objects.create(name="acme")

    with pytest.raises(CommandError) as refused:
        create_key("acme", *arguments)

    assert refused.value.returncode == 2
    assert not ApiKey.objects.exists()
