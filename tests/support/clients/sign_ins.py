"""Sign-ins by the form, right and wrong ones, and settings that make wrong ones cheap."""

from __future__ import annotations

import re

from django.contrib.auth.hashers import Argon2PasswordHasher

LOGIN = "/admin/ui/login/"
EMAIL, RIGHT = "root@example.com", "right-password-1"


class Cheap(Argon2PasswordHasher):
    """Where attempts are counted, what each costs is not the point. The gateway verifies whatever it finds stored."""

    time_cost, memory_cost, parallelism = 1, 8, 1


CHEAP = Cheap().encode(RIGHT, "salt-of-the-tests")


def make_cheap(gateway):
    """Let guesses at all accounts cost little; a password that was right is hashed anew at its full cost."""
    gateway.sql("UPDATE tenants_user SET password = ?", CHEAP)


def people(*emails):
    return {"bootstrap": {"admin_users": [{"email": email, "password": RIGHT} for email in emails]}}


class Visitor:
    """A browser with the form open; `address` is where a trusted proxy says that it comes from."""

    def __init__(self, client, address=""):
        self._client, self._address = client, address
        self._token = ""

    async def open(self):
        page = await self._client.get(LOGIN)
        found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
        assert found is not None
        self._token = found[1]
        return self

    async def sign_in(self, password, email=EMAIL, address=""):
        form = {"username": email, "password": password, "csrfmiddlewaretoken": self._token}
        address = address or self._address
        headers = {"referer": f"{self._client.base_url}{LOGIN}"}
        if address:
            headers["x-forwarded-for"] = address
        return await self._client.post(LOGIN, data=form, headers=headers)
