"""Why a caller is refused. gateway/http/errors.py maps these to HTTP.

- AccessDenied
  - InvalidKey          missing, malformed, unknown, revoked or expired; never which half was wrong
  - TooManyMisses       unknown keys from one address
  - TenantSuspended
  - AddressNotAllowed
  - ScopeNotAllowed
  - ModelNotAllowed
- KeysUnavailable       the database is away and the key is not in the cache
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tenants.caller import Caller

INVALID = "Incorrect API key provided. Keys look like 'sk-<prefix>.<secret>'."


class AccessDenied(Exception):
    """The caller may not do this. `verified`: the caller, if its key is right and may not be used now or from there."""

    verified: Caller | None = None


class InvalidKey(AccessDenied):
    """`caller`: the key's owner, if its secret is right but it is no longer valid. `prefix` is for the logs: of any
    other key only the part that may be logged. The client gets neither.
    """

    def __init__(self, reason: str, *, prefix: str = "", caller: Caller | None = None) -> None:
        self.reason, self.prefix, self.caller = reason, prefix, caller
        super().__init__(reason)


class TooManyMisses(AccessDenied):
    caller = None

    def __init__(self, retry_after_s: float, prefix: str = "") -> None:
        self.retry_after_s, self.prefix = retry_after_s, prefix
        super().__init__("Too many unknown API keys came from this address.")


class TenantSuspended(AccessDenied):
    def __init__(self, tenant: str) -> None:
        self.tenant = tenant
        super().__init__(f"The tenant '{tenant}' is suspended.")


class AddressNotAllowed(AccessDenied):
    def __init__(self) -> None:
        super().__init__("This key may not be used from this address.")


class ScopeNotAllowed(AccessDenied):
    def __init__(self, scope: str, scopes: frozenset[str]) -> None:
        self.scope, self.scopes = scope, scopes
        super().__init__(f"This key may not use '{scope}'; it is limited to {', '.join(sorted(scopes))}.")


class ModelNotAllowed(AccessDenied):
    def __init__(self, alias: str, advice: str = "") -> None:
        self.alias = alias
        super().__init__(f"This key may not use the model '{alias}'. {advice}".strip())


class KeysUnavailable(Exception):
    """Keys cannot be looked up at the moment."""
