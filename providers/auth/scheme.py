"""Authentication of a call: each scheme signs the request of one attempt with a target's own credential.

Most schemes add a header. Others wait for a token, or sign the body; `waits` says so, and the attempt then limits them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from typing_extensions import override

if TYPE_CHECKING:
    from providers.target import Target


class Signable(Protocol):
    """What of a request may be signed (providers/transport/client.py)."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes


class Authenticator(Protocol):
    """One scheme. Never sends a credential of another target."""

    waits: bool  # for a token, say: `sign` is then limited by the target's connect timeout

    async def sign(self, request: Signable, target: Target) -> None:
        """Add the credential to the request, in place. Raises UpstreamFailed."""
        ...

    def is_renewed_after(self, errors: frozenset[str], target: Target) -> bool:  # noqa: ARG002 - the default
        """Return whether a provider refused a credential that had expired, and discard it: a request that is signed
        again has another one. `errors`: the status and the names in the refusal, in lower case.
        """
        return False


class HeaderAuth(Authenticator):
    """Adds headers that need nothing but the target."""

    waits = False

    def __init__(self, add: Callable[[Target, dict[str, str]], None]) -> None:
        self._add = add

    @override
    async def sign(self, request: Signable, target: Target) -> None:
        self._add(target, request.headers)


async def sign(scheme: Authenticator, request: Signable, target: Target) -> None:
    """Sign a request. Raises TimeoutError after the target's connect timeout."""
    if not scheme.waits:
        await scheme.sign(request, target)
        return
    async with asyncio.timeout(target.timeouts.connect):
        await scheme.sign(request, target)
