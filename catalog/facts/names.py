"""The names that one model has on several platforms. The only place that takes a model's name apart. Pure.

A name may carry, beside the model itself: an ARN or a path around it, the place of an inference profile ("eu."), the
publisher ("anthropic.", "deepseek-ai/"), a release ("-20250929", "@default", "-v1:0", "-maas"), and the routing policy
of Hugging Face (":fastest"). `spellings` leaves them out one after the other: the most exact name that is known wins.

Sources: AWS, "Supported inference profiles" and "ARNs of Bedrock"; Google Cloud, "Claude on Vertex AI" and "Open
models (MaaS)"; Hugging Face, "Inference Providers: provider selection".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

# Places of inference profiles of Bedrock; the longest first.
PLACES: Final = ("us-gov", "global", "apac", "us", "eu", "au", "jp", "ca", "in", "sa")
# How platforms and hubs spell a publisher -> the vendor (ModelFacts.vendor).
PUBLISHERS: Final = {
    "ai21": "ai21", "ai21labs": "ai21", "amazon": "amazon", "anthropic": "anthropic", "baai": "baai",
    "cohere": "cohere", "coherelabs": "cohere", "cohereforai": "cohere", "deepseek": "deepseek",
    "deepseek-ai": "deepseek", "google": "google", "meta": "meta", "meta-llama": "meta", "minimax": "minimax",
    "minimaxai": "minimax", "mistral": "mistral", "mistralai": "mistral", "moonshot": "moonshot",
    "moonshotai": "moonshot", "nvidia": "nvidia", "openai": "openai", "qwen": "qwen", "stability": "stability",
    "twelvelabs": "twelvelabs", "writer": "writer", "xai": "xai", "zai": "zai", "zai-org": "zai",
}  # fmt: skip
# What a provider or a hub appends for one dated, numbered or hosted release of a model.
RELEASE: Final = re.compile(
    r"(?:[-@]\d{4}-\d{2}-\d{2}|[-@]\d{8}|@latest|@default|@\d{3}|-latest|-maas"
    r"|-preview(?:-\d{2}-\d{4})?|-v\d+(?::\d+)?|-\d+:\d+)$"
)
_PLACE: Final = re.compile(rf"^(?:{'|'.join(PLACES)})\.(?=[a-z0-9-]+\.)")
_AROUND: Final = re.compile(r"^(?:arn:.*/|(?:.*/)?publishers/[^/]+/models/|models/)")
_POLICY: Final = re.compile(r"(?<=/)([^/:]+):[a-z-]+$")  # owner/name:policy; a version (":0") is no policy
_PUBLISHER: Final = re.compile(r"^([a-z0-9-]+)[./](?=.)")
MOST_CHARS: Final = 300  # as the column of a deployment


def spellings(model: str) -> tuple[str, ...]:
    """Return the names under which a model may be known, in lower case, from the name as it is to the barest."""
    return tuple(dict.fromkeys(_spellings(model[:MOST_CHARS].lower())))


def resource_id(model: str) -> str:
    """Return a name without an ARN or a path around it, in lower case."""
    return _AROUND.sub("", model.lower())


def place_of(model: str) -> str:
    """Return the place in the name of an inference profile ("eu"), or ""."""
    found = _PLACE.match(resource_id(model))
    return found[0].rstrip(".") if found else ""


def without_place(model: str) -> str:
    """Return a name without an ARN or a path around it, and without a place, in lower case."""
    return _PLACE.sub("", resource_id(model))


def publisher_of(model: str) -> str:
    """Return the vendor that a name itself states ("anthropic.claude…"), or ""."""
    found = _PUBLISHER.match(without_place(model))
    return PUBLISHERS.get(found[1], "") if found else ""


def _spellings(name: str) -> Iterator[str]:
    yield name
    name = _POLICY.sub(r"\1", without_place(name))
    releases = [name]
    while (shorter := RELEASE.sub("", releases[-1])) != releases[-1] and shorter:
        releases.append(shorter)
    yield from releases
    for each in releases:
        found = _PUBLISHER.match(each)
        if found and found[1] in PUBLISHERS:
            yield each[found.end() :]
