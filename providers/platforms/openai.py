"""OpenAI, and the servers that speak its API."""

from __future__ import annotations

from typing import Final

from providers.auth import headers
from providers.platforms.provider import Provider, plain_url

OPENAI: Final = Provider(
    name="openai",
    auth=headers.openai,
    url=plain_url,
    default_base_url="https://api.openai.com/v1",
    own=lambda config: ("https://api.openai.com", config.openai_key),
    cap_field="max_completion_tokens",
    cache_member="prompt_cache_key",
)
COMPATIBLE: Final = Provider(
    name="openai-compatible",
    auth=headers.openai,
    url=plain_url,
    own=lambda config: (config.openai_compatible.base_url, config.openai_compatible.api_key),
    needs_secret=False,
    needs_endpoint=True,
)
