"""Google Vertex AI: its hosts by location, and its addresses by publisher: Gemini, Claude, and models of others with
OpenAI's API. With an API key: the addresses without a project (express mode, the Gemini API).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import msgspec

from providers.auth.google import CREDENTIALS, google, has_api_key
from providers.auth.google_credentials import (
    NOT_INSTALLED,
    NoToken,
    document_of,
    is_googles,
    is_installed,
    project_of,
)
from providers.platforms.provider import Provider, ProviderProbe
from providers.target import Target

if TYPE_CHECKING:
    from gateway.config.sections.sign_in import Providers

HOST: Final = "https://aiplatform.googleapis.com"  # of the location `global`; others have hosts of their own
PROJECT: Final = "gcp_project_id"
LOCATION: Final = "vertex_location"
PUBLISHER: Final = "publisher"
SAFETY: Final = "vertex_safety_settings"
_GLOBAL: Final = "global"
_MULTI_REGIONS: Final = frozenset({"us", "eu"})
_VERSIONS: Final = ("v1", "v1beta1", "v1beta")
_VERSION: Final = "v1beta1"  # Google's own SDK uses it: v1 has no ids of calls
_DEVELOPER: Final = "v1beta"  # of the Gemini API
_OF_OPENAI: Final = "chat/completions"
_COUNTS: Final = frozenset({"count-tokens:rawPredict", "messages/count_tokens"})
_RESOURCES: Final = ("projects/", "publishers/", "endpoints/", "models/")
_PING: Final = {"contents": [{"role": "user", "parts": [{"text": "ping"}]}]}
_PING_CLAUDE: Final = {"messages": [{"role": "user", "content": "ping"}]}
_SAFE: Final = "@:"  # Claude's dated names have an @


def publisher_of(target: Target) -> str:
    """Return who publishes the model: as the row says, by the model's name (`publisher/model`), else its vendor."""
    stated = target.metadata.get(PUBLISHER, "")
    named, slash, _ = target.upstream_model.partition("/")
    is_resource = target.upstream_model.startswith(_RESOURCES)
    return stated or (named if slash and not is_resource else "") or target.facts.vendor or "google"


def family_of(target: Target) -> str:
    publisher = publisher_of(target)
    return {"google": "gemini", "anthropic": "anthropic"}.get(publisher, "openai")


def vertex_url(target: Target, operation: str) -> str:
    """Return the address of an operation, such as "generateContent" or "streamGenerateContent?alt=sse"."""
    host, version = _host(target)
    family = family_of(target)
    if family == "openai":
        return f"{host}/{version or 'v1'}/{_location(target)}/endpoints/openapi/{operation}"
    if family == "anthropic" and operation in _COUNTS:
        base = f"{host}/{version or 'v1'}/{_location(target)}"
        return f"{base}/publishers/anthropic/models/count-tokens:rawPredict"
    if has_api_key(target.metadata, has_secret=bool(target.secret)) and not project(target):
        return _without_project(target, host, version, operation)
    usual = _VERSION if family == "gemini" else "v1"
    return f"{host}/{version or usual}/{_model(target)}:{operation}"


def project(target: Target) -> str:
    metadata = target.metadata
    return metadata.get(PROJECT, "") or project_of(metadata.get(CREDENTIALS, ""))


def location(target: Target) -> str:
    return target.metadata.get(LOCATION, "") or target.region or _GLOBAL


def _host(target: Target) -> tuple[str, str]:
    """Return the host and the version that the row states; "": none. The row's endpoint may end in a version."""
    base, version = target.base_url.rstrip("/"), target.api_version
    for each in _VERSIONS:
        if base.endswith(f"/{each}"):
            base, version = base.removesuffix(f"/{each}"), version or each
    return (_host_of(location(target)) if base in {"", HOST} else base), version


def _host_of(place: str) -> str:
    if place == _GLOBAL:
        return HOST
    if place in _MULTI_REGIONS:
        return f"https://aiplatform.{place}.rep.googleapis.com"
    return f"https://{quote(place, safe='')}-aiplatform.googleapis.com"


def _location(target: Target) -> str:
    return f"projects/{quote(project(target), safe=':')}/locations/{quote(location(target), safe='')}"


def _model(target: Target) -> str:
    """Return the path of the model: of a publisher, or as the row states it (a tuned model's endpoint)."""
    name = target.upstream_model
    if name.startswith("projects/"):
        return quote(name, safe="/@:")
    if name.startswith(("publishers/", "endpoints/")):
        return f"{_location(target)}/{quote(name, safe='/@:')}"
    publisher = publisher_of(target)
    model = quote(name.removeprefix(f"{publisher}/").removeprefix("models/"), safe=_SAFE)
    return f"{_location(target)}/publishers/{quote(publisher, safe='')}/models/{model}"


def is_gemini_api(target: Target) -> bool:
    """Whether it is the Gemini API (generativelanguage.googleapis.com), not Vertex AI."""
    host, version = _host(target)
    is_vertex = host.endswith("aiplatform.googleapis.com") or version in {"v1", "v1beta1"}
    return (
        has_api_key(target.metadata, has_secret=bool(target.secret)) and not project(target) and not is_vertex
    )


def _without_project(target: Target, host: str, version: str, operation: str) -> str:
    """Return an address for an API key: express mode at Vertex's own host, the Gemini API's paths elsewhere."""
    model = quote(target.upstream_model.removeprefix("google/").removeprefix("models/"), safe=_SAFE)
    if is_gemini_api(target):
        return f"{host}/{version or _DEVELOPER}/models/{model}:{operation}"
    return f"{host}/{version or _VERSION}/publishers/google/models/{model}:{operation}"


def _probes(target: Target) -> Sequence[ProviderProbe]:
    """Counting the tokens of one word is free, and proves credential, project, location and model."""
    family = family_of(target)
    if family == "gemini":
        return (ProviderProbe(vertex_url(target, "countTokens"), msgspec.json.encode(_PING)),)
    if family == "anthropic":
        body = msgspec.json.encode({"model": target.upstream_model, **_PING_CLAUDE})
        return (ProviderProbe(vertex_url(target, "count-tokens:rawPredict"), body),)
    return (ProviderProbe(vertex_url(target, _OF_OPENAI), _one_token(target)),)


def _one_token(target: Target) -> bytes:
    question = [{"role": "user", "content": "ping"}]
    return msgspec.json.encode({"model": target.upstream_model, "messages": question, "max_tokens": 1})


def _own_metadata(config: Providers) -> dict[str, str]:
    found = {PROJECT: config.gcp_project_id, CREDENTIALS: config.gcp_json_credentials}
    return {name: value for name, value in found.items() if value}


def _lacks(metadata: Mapping[str, str], secret: str) -> str:
    """Return what a row needs and has not; "" if nothing."""
    if why := _wrong_safety(metadata.get(SAFETY, "")):
        return why
    if has_api_key(metadata, has_secret=bool(secret)):
        return ""
    given = metadata.get(CREDENTIALS, "")
    try:
        if given:
            document_of(given)
    except NoToken as error:
        return f"metadata.{CREDENTIALS}: {error.why}"
    if not metadata.get(PROJECT) and not project_of(given):
        return f"no project: set metadata.{PROJECT}"
    return "" if is_installed() else NOT_INSTALLED


def _wrong_safety(text: str) -> str:
    try:
        is_list = not text or isinstance(msgspec.json.decode(text), list)
    except (msgspec.DecodeError, RecursionError):
        is_list = False
    return "" if is_list else f"metadata.{SAFETY} is no JSON list"


VERTEX: Final = Provider(
    name="vertex",
    auth=google,
    url=vertex_url,
    default_base_url=HOST,
    own=lambda _: (HOST, ""),
    api="gemini",
    api_of=family_of,
    needs_secret=False,
    own_metadata=_own_metadata,
    credentials=(CREDENTIALS,),
    is_own_host=is_googles,
    probes=_probes,
    lacks=_lacks,
)
