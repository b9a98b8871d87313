"""One target of a call: the data of a deployment that the transport, the auth and the dialect need."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from typing_extensions import override

from providers.model_facts import UNKNOWN_MODEL, ModelFacts

SECRET_METADATA: Final = frozenset(
    {
        "gcp_credentials_json",
        "aws_access_key_id",
        "aws_secret_access_key",
        "aws_session_token",
        "azure_client_secret",
    }
)
# Settings that say how a deployment is called, not with what credential.
NO_CREDENTIAL: Final = frozenset(
    {
        "deployment", "publisher", "cache_member", "cap_member", "stream_usage", "responses", "completions",
        "embeddings", "embeddings_api", "task_type", "vertex_location", "vertex_labels", "vertex_user_label",
        "vertex_safety_settings", "vertex_request_type",
    }
)  # fmt: skip
_SECRETS_OF_GCP: Final = ("private_key", "private_key_id", "refresh_token", "client_secret")


class Timeouts(msgspec.Struct, frozen=True):
    """Seconds. `first_byte` runs from the request's last byte to a stream's first content, `idle` between two events.

    `answer` is the same wait for a response that is no stream: providers send nothing before it is complete.
    """

    connect: float = 3.0
    first_byte: float = 300.0  # reasoning models send nothing for minutes
    answer: float = 600.0
    idle: float = 120.0
    total: float = 900.0


class Secret:
    """A credential that never prints itself."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    @override
    def __repr__(self) -> str:
        return "Secret(***)" if self._value else "Secret()"


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """An immutable deployment as the catalog's snapshot holds it; `id` is the database row's."""

    id: int
    alias: str
    name: str
    provider: str
    upstream_model: str
    base_url: str
    secret: Secret
    api_version: str = ""
    region: str = ""
    timeouts: Timeouts = Timeouts()
    metadata: dict[str, str] = {}
    wire_model: str = (
        ""  # the model's name in a request, if that is not `upstream_model` (Azure: the deployment)
    )
    api: str = ""  # the family of APIs it speaks (providers/dialects/choice.py); "": its provider's
    facts: ModelFacts = UNKNOWN_MODEL
    same_account: frozenset[int] = frozenset()  # other deployments that are reached with the same credential
    is_guarded: bool = False  # a person typed the address: it may not be internal (providers/egress.py)

    def accepts_state_of(self, owner: int) -> bool:
        """Return whether what this deployment made (thinking, stored responses) is valid here."""
        return owner == self.id or owner in self.same_account

    def account(self) -> bytes:
        """Return what deployments with the same credential at the same place share. Holds the credential itself.

        A setting that is not known to be no credential counts as one. So does the vendor: another vendor's model cannot
        use what this one made, such as thinking.
        """
        settings = sorted(item for item in self.metadata.items() if item[0] not in NO_CREDENTIAL)
        made_by = (self.provider, self.api, self.facts.vendor)
        return msgspec.json.encode([made_by, self.base_url, self.secret.reveal(), settings])

    def secrets(self) -> tuple[str, ...]:
        """Return every secret that a request to it may carry, so that responses can be searched for it."""
        found = [self.secret.reveal()]
        for name in SECRET_METADATA.intersection(self.metadata):
            found += _parts(self.metadata[name])
        return tuple(secret for secret in found if secret)


def _parts(text: str) -> list[str]:
    """Return the secrets inside a secret text: the secret members of a JSON document, else all of it."""
    try:
        document: Any = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return [text]
    if not isinstance(document, dict):
        return [text]
    return [document[name] for name in _SECRETS_OF_GCP if isinstance(document.get(name), str)]
