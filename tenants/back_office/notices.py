"""Messages to the person in the back office: kept in the session of the database, sealed, until they are shown once.

A new key's token is such a message. In a cookie every reader of the browser's disk or a proxy's log would have it.
"""

from __future__ import annotations

import base64
import os
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.contrib.messages.storage.session import SessionStorage
from typing_extensions import override

_NONCE_BYTES = 12
_NAME = b"messages of the back office"


class SealedStorage(SessionStorage):
    """Messages that cannot be decrypted, such as after a change of secrets, are left out."""

    @override
    def serialize_messages(self, messages: Any) -> str:
        nonce = os.urandom(_NONCE_BYTES)
        plain = str(super().serialize_messages(messages)).encode()
        return base64.b64encode(nonce + _cipher().encrypt(nonce, plain, _NAME)).decode()

    @override
    def deserialize_messages(self, data: Any) -> Any:
        try:
            raw = base64.b64decode(data or "")
            text = _cipher().decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], _NAME).decode()
        except (InvalidTag, ValueError, TypeError):
            return []
        return super().deserialize_messages(text)


def _cipher() -> AESGCM:
    return AESGCM(settings.SECRETS.encryption_key)
