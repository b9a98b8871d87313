"""Why a caller is refused. HTTP knows these in gateway/errors.py.

- Refused
  - InvalidKey          missing, malformed, unknown, revoked or expired; never says which half was wrong
  - TooManyMisses       unknown keys from one address
  - TenantSuspended
  - AddressNotAllowed
  - ScopeNotAllowed
  - ModelNotAllowed
- KeysUnavailable       the database is away and the key is not in the cache
"""

from __future__ import annotations


class Refused(Exception):
    """The caller may not do this."""


class InvalidKey(Refused):
    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class TooManyMisses(Refused):
    def __init__(self, retry_after_s: float) -> None:
        self.retry_after_s = retry_after_s
        super().__init__("Too many unknown API keys came from this address.")


class TenantSuspended(Refused):
    def __init__(self, tenant: str) -> None:
        self.tenant = tenant
        super().__init__(f"The tenant '{tenant}' is suspended.")


class AddressNotAllowed(Refused):
    def __init__(self) -> None:
        super().__init__("This key may not be used from this address.")


class ScopeNotAllowed(Refused):
    def __init__(self, scope: str, scopes: frozenset[str]) -> None:
        self.scope, self.scopes = scope, scopes
        super().__init__(f"This key may not use '{scope}'; it is limited to {', '.join(sorted(scopes))}.")


class ModelNotAllowed(Refused):
    def __init__(self, alias: str, advice: str = "") -> None:
        self.alias = alias
        super().__init__(f"This key may not use the model '{alias}'. {advice}".strip())


class KeysUnavailable(Exception):
    """Keys cannot be looked up at the moment."""
