"""The caller: the one value of this app that the hot path passes on. No ORM, no I/O."""

from __future__ import annotations

import msgspec

SCOPES = (
    "chat",
    "embeddings",
    "images",
    "audio",
    "moderations",
    "rerank",
    "files",
    "batches",
)  # of a key; none: all
SERVED = ("chat", "embeddings")  # by the existing endpoints: forms offer no others


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """A verified key and its tenant.

    `scopes` empty means all; `models`/`tenant_models` None means every enabled model; `expires_at` is epoch seconds;
    `allowed_ips` are CIDR strings, empty means any address.
    """

    key_id: int
    key_prefix: str
    key_name: str
    tenant_id: int
    tenant: str
    tenant_active: bool = True
    timezone: str = "UTC"
    scopes: frozenset[str] = frozenset()
    models: frozenset[str] | None = None
    tenant_models: frozenset[str] | None = None
    expires_at: float | None = None
    allowed_ips: tuple[str, ...] = ()
    stores_answers: bool = False
    is_batch: bool = False  # no person waits for its calls: they are refused first when the gateway is full

    @property
    def key_scope(self) -> str:
        """The name under which this key's limits and money are counted."""
        return f"key:{self.key_id}"

    @property
    def tenant_scope(self) -> str:
        return f"tenant:{self.tenant_id}"

    def may_use(self, alias: str) -> bool:
        """Return whether the key's and the tenant's allow-lists both permit this alias."""
        return (self.models is None or alias in self.models) and (
            self.tenant_models is None or alias in self.tenant_models
        )
