"""Sessions stored by the hash of their key: a copy of the database opens no session."""

from __future__ import annotations

import hashlib
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.utils.timezone import now
from typing_extensions import override

LENGTH = 40  # of the column; 160 bits


def hashed(session_key: str) -> str:
    """Return the stored hash of a key of 165 random bits: it needs no secret to be safe."""
    return hashlib.sha256(session_key.encode()).hexdigest()[:LENGTH]


class SessionStore(DatabaseStore):
    """Django's store in the database; the cookie has the key, the row has its hash."""

    def _get_session_from_db(self) -> Any:
        """Read the row of this key (Django's hook); a key without one is dropped."""
        key = self.session_key
        found = self.model.objects.filter(session_key=hashed(key or ""), expire_date__gt=now()).first()
        if found is None:
            self._session_key = None
        return found

    async def _aget_session_from_db(self) -> Any:
        return await sync_to_async(self._get_session_from_db)()

    @override
    async def aexists(self, session_key: str) -> bool:
        return await sync_to_async(self.exists)(session_key)

    @override
    async def acreate_model_instance(self, data: dict[str, Any]) -> Any:
        return await sync_to_async(self.create_model_instance)(data)

    @override
    async def adelete(self, session_key: str | None = None) -> None:
        await sync_to_async(self.delete)(session_key)

    @override
    def exists(self, session_key: str) -> bool:
        return super().exists(hashed(session_key))

    @override
    def create_model_instance(self, data: dict[str, Any]) -> Any:
        row = super().create_model_instance(data)
        row.session_key = hashed(row.session_key)
        return row

    @override
    def delete(self, session_key: str | None = None) -> None:
        session_key = session_key or self.session_key
        if session_key is not None:
            super().delete(hashed(session_key))
