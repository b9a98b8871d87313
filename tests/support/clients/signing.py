"""The signing key of the workers of a test, and that of another gateway."""

from __future__ import annotations

from gateway.values.signed_messages import Signer

SIGNER = Signer(b"k" * 32)
STRANGER = Signer(b"s" * 32)
