"""Messages between the processes of one gateway over Redis are signed: other publishers there are not trusted.

HMAC-SHA-256 with a key of their own, derived from the gateway's secret (gateway/config/secrets.py), over the channel's
name and the message: a message of one channel is not valid on another. It does not hide the message or prevent its
replay; why that does no harm is stated where each kind of message is received. A few microseconds per message.
"""

from __future__ import annotations

import hashlib
import hmac

from gateway.values.fallback_log import FALLBACKS

_LETTERS = 64  # of a signature, in hex
UNSIGNED = "message_unsigned"
STALE = "message_stale"


class Signer:
    """`key` is the same in all processes of a gateway and known to no other."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def sign(self, channel: str, body: bytes) -> bytes:
        """Return the message as it is published: signature, space, body."""
        return b"%s %s" % (self._signature(channel, body), body)

    def read(self, channel: str, message: bytes) -> bytes | None:
        """Return the body, or None if none of our processes sent it here: counted, and logged once a minute."""
        signature, body = message[:_LETTERS], message[_LETTERS + 1 :]
        is_ours = message[_LETTERS : _LETTERS + 1] == b" " and hmac.compare_digest(
            signature, self._signature(channel, body)
        )
        if not is_ours:
            FALLBACKS.note(UNSIGNED, f"a message on {channel} without a valid signature was ignored")
            return None
        return body

    def _signature(self, channel: str, body: bytes) -> bytes:
        signed = channel.encode() + b"\0" + body
        return hmac.digest(self._key, signed, hashlib.sha256).hex().encode()
