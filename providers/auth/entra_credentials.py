"""Gets Entra tokens by azure-identity: of a client secret, else of the process's own identity - a federated token
(workload identity), or the machine's managed identity. Blocking.

azure-identity is a package of production mode; without it no row can use Entra. Sources: Microsoft, "Azure Identity
client library for Python"; Entra, "Workload identity federation".
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any, Final

import msgspec

from providers.auth.access_tokens import NoToken, Token

FEDERATED: Final = (
    "AZURE_FEDERATED_TOKEN_FILE"  # set where the platform gives the process a workload identity
)
TENANT, CLIENT, SECRET = "azure_tenant_id", "azure_client_id", "azure_client_secret"
AUTHORITY: Final = "azure_authority"
ABSENT: Final = "the package azure-identity is not installed; requirements/production.txt has it"
_ENTRAS: Final = "AADSTS"  # begins the codes of Entra's own refusals; other failures may pass
_MOST_WORDS: Final = 300


class Identity(msgspec.Struct, frozen=True):
    """Who asks for a token: the settings of a row."""

    tenant: str = ""
    client: str = ""
    secret: str = ""
    authority: str = ""  # "": the public cloud's

    @property
    def is_of_process(self) -> bool:
        return not self.secret


def identity_in(metadata: Mapping[str, str]) -> Identity:
    """Return the identity that a row states."""
    return Identity(
        tenant=metadata.get(TENANT, ""),
        client=metadata.get(CLIENT, ""),
        secret=metadata.get(SECRET, ""),
        authority=metadata.get(AUTHORITY, ""),
    )


def is_installed() -> bool:
    try:
        return find_spec("azure.identity") is not None
    except ModuleNotFoundError:
        return False


def load(identity: Identity, scope: str) -> Token:
    """Return a new token. Raises NoToken."""
    if not is_installed():
        raise NoToken(ABSENT, is_refused=True)
    from azure.core.exceptions import ClientAuthenticationError  # noqa: PLC0415 - may be absent
    from azure.identity import CredentialUnavailableError  # noqa: PLC0415 - as above

    try:
        credential = _credential(identity)
    except ValueError as error:
        raise NoToken(_line(error, identity), is_refused=True) from None
    try:
        with credential:
            found = credential.get_token(scope)
    except CredentialUnavailableError as error:
        raise NoToken(_line(error, identity), is_refused=False) from None
    except ClientAuthenticationError as error:
        raise NoToken(_line(error, identity), is_refused=_ENTRAS in str(error)) from None
    except Exception as error:  # noqa: BLE001 - azure-identity documents no closed list; a call must fail with a reason
        raise NoToken(_line(error, identity), is_refused=False) from None
    return Token(found.token, float(found.expires_on))


def _credential(identity: Identity) -> Any:
    """Raises ValueError for settings that are none."""
    from azure import identity as azure  # noqa: PLC0415 - may be absent

    options: dict[str, Any] = {"retry_total": 1}
    if identity.authority:
        options |= {"authority": identity.authority, "disable_instance_discovery": True}
    if identity.secret:
        return azure.ClientSecretCredential(identity.tenant, identity.client, identity.secret, **options)
    named: dict[str, Any] = {"client_id": identity.client} if identity.client else {}
    if os.environ.get(FEDERATED):
        if identity.tenant:
            named["tenant_id"] = identity.tenant
        return azure.WorkloadIdentityCredential(**named, **options)
    return azure.ManagedIdentityCredential(client_id=identity.client or None)


def _line(error: Exception, identity: Identity) -> str:
    """Return an error in one line, without the secret."""
    text = " ".join(str(error).split())
    if identity.secret:
        text = text.replace(identity.secret, "***")
    return text[:_MOST_WORDS] or type(error).__name__
