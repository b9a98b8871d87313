"""Messages between the processes of one gateway over Redis are signed: who else can publish there is not believed.

HMAC-SHA-256 with a key of their own, made from the gateway's secret (gateway/config/secrets.py), over the channel's
name and the message: what was said on one channel is not heard on another. It does not hide what is said, nor that
it is said again; why that does no harm is said where each kind of message is heard. A few microseconds a message.
"""

from __future__ import annotations

import hashlib
import hmac

from gateway.values.fallback_log import FALLBACKS

_LETTERS = 64  # of a signature, in hex
UNSIGNED = "message_unsigned"
STALE = "message_stale"


class Signer:
    """`key` is the same in all processes of a gateway and known to nobody else."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def sign(self, channel: str, body: bytes) -> bytes:
        """Return the message as it is published: signature, space, body."""
        return b"%s %s" % (self._signature(channel, body), body)

    def read(self, channel: str, message: bytes) -> bytes | None:
        """Return the body, or None if none of our processes has said that here: counted, and logged once a minute."""
        signature, body = message[:_LETTERS], message[_LETTERS + 1 :]
        is_ours = message[_LETTERS : _LETTERS + 1] == b" " and hmac.compare_digest(
            signature, self._signature(channel, body)
        )
        if not is_ours:
            FALLBACKS.note(UNSIGNED, f"a message on {channel} without a valid signature was ignored")
            return None
        return body

    def _signature(self, channel: str, body: bytes) -> bytes:
        said = channel.encode() + b"\0" + body
        return hmac.digest(self._key, said, hashlib.sha256).hex().encode()
