"""Sign-ins by the form, right and wrong ones, and settings that make wrong ones cheap."""

from __future__ import annotations

import re

from django.contrib.auth.hashers import Argon2PasswordHasher

LOGIN = "/admin/ui/login/"
EMAIL, RIGHT = "root@example.com", "right-password-1"


class Cheap(Argon2PasswordHasher):
    """Cheap hashes, for tests that only count attempts. The gateway verifies any stored hash."""

    time_cost, memory_cost, parallelism = 1, 8, 1


CHEAP = Cheap().encode(RIGHT, "salt-of-the-tests")


def make_cheap(gateway):
    """Make guesses at all accounts cheap; a right password is hashed again at its full cost."""
    gateway.sql("UPDATE tenants_user SET password = ?", CHEAP)


def people(*emails):
    return {"bootstrap": {"admin_users": [{"email": email, "password": RIGHT} for email in emails]}}


class Visitor:
    """A browser with the form open; `address` is the client's address in a trusted proxy's header."""

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
