"""Amazon Bedrock: its addresses, and what is asked of it to see that a model is there."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from providers.auth import aws
from providers.platforms.provider import REGION, Provider, ProviderProbe
from providers.target import Target

if TYPE_CHECKING:
    from gateway.config.sections.sign_in import Providers

COUNT: Final = "count-tokens"  # the one operation that takes no profiles
_GEOGRAPHIES: Final = frozenset(
    {"us", "us-gov", "eu", "apac", "jp", "au", "ca", "sa", "me", "il", "in", "global"}
)
_RUNTIME: Final = "://bedrock-runtime."
_CONTROL: Final = "://bedrock."
_COUNTED: Final = b'{"input":{"converse":{"messages":[{"role":"user","content":[{"text":"ping"}]}]}}}'
_KEYS: Final = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token", aws.PROFILE)


def segment(model: str) -> str:
    """Return a model's id - of a base model, of a profile, an ARN - as one segment of a path."""
    return quote(model, safe="")


def base_model(model: str) -> str:
    """Return the id of the model behind a profile of several regions; any other id as it is."""
    geography, _, rest = model.partition(".")
    return rest if geography in _GEOGRAPHIES and "." in rest else model


def _url(target: Target, operation: str) -> str:
    """Complete the address with the operation, such as "converse-stream"; the bytes are those that are signed."""
    model = target.upstream_model if operation != COUNT else base_model(target.upstream_model)
    return f"{target.base_url.rstrip('/')}/model/{segment(model)}/{operation}"


def _probes(target: Target) -> Sequence[ProviderProbe]:
    """Nothing here costs money. The lists are on another host, and need permissions of their own."""
    control = target.base_url.rstrip("/").replace(_RUNTIME, _CONTROL, 1)
    model = segment(target.upstream_model)
    return (
        ProviderProbe(f"{control}/foundation-models/{model}"),
        ProviderProbe(f"{control}/inference-profiles/{model}"),
        ProviderProbe(_url(target, COUNT), _COUNTED),
    )


def _region(config: Providers) -> str:
    environment = os.environ
    return config.aws_region or environment.get("AWS_REGION", "") or environment.get("AWS_DEFAULT_REGION", "")


def _metadata(config: Providers) -> dict[str, str]:
    """Return the access key of the configuration."""
    if not config.aws_access_key_id or not config.aws_secret_access_key:
        return {}
    return {
        "aws_access_key_id": config.aws_access_key_id,
        "aws_secret_access_key": config.aws_secret_access_key,
    }


BEDROCK: Final = Provider(
    name="bedrock",
    auth=aws.bedrock,
    url=_url,
    default_base_url=f"https://bedrock-runtime.{REGION}.amazonaws.com",
    own=lambda _: ("", ""),
    api="bedrock",
    needs_secret=False,
    region=_region,
    own_metadata=_metadata,
    credentials=_KEYS,
    is_own_host=aws.is_amazons,
    probes=_probes,
)
