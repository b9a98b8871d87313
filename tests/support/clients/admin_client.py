"""A member of staff in a browser, as far as HTTP goes."""

from __future__ import annotations

import re

import httpx

EMAIL, PASSWORD = "root@example.com", "a-long-root-password"
ROOT = {"email": EMAIL, "name": "Root", "password": PASSWORD}  # a row of bootstrap.admin_users
TOKEN = r'name="csrfmiddlewaretoken" value="([^"]+)"'


class BackOffice:
    """Forms with their tokens; the client follows redirects."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def log_in(self):
        page = await self.submit("/admin/ui/login/?next=/admin/ui/", username=EMAIL, password=PASSWORD)
        assert "Log out" in page.text or "logout" in page.text

    async def submit(self, path, **fields):
        shown = await self._client.get(path)
        assert shown.status_code == 200, shown.text[:500]
        fields["csrfmiddlewaretoken"] = found_in(shown, TOKEN)
        done = await self._client.post(path, data=fields, headers={"referer": str(shown.url)})
        assert done.status_code == 200, done.text[:500]
        return done

    async def key_number(self, prefix):
        listed = await self._client.get("/admin/ui/tenants/apikey/", params={"q": prefix})
        return found_in(listed, rf'/apikey/(\d+)/change/[^"]*"[^>]*>\s*{prefix}\s*<')

    async def act_on_key(self, prefix, action):
        chosen = await self.key_number(prefix)
        await self.submit(
            "/admin/ui/tenants/apikey/", action=action, index="0", _selected_action=chosen, confirmed="yes"
        )


def found_in(page, pattern):
    """Return what the pattern's group holds in the page."""
    found = re.search(pattern, page.text)
    assert found is not None, page.text[:2000]
    return found.group(1)
