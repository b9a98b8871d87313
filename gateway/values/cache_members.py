"""The request members that name a provider's prompt cache.

Apart from the configuration, so that gateway/parsing/heavy_process.py need not read all of that when it starts.
"""

from __future__ import annotations

from typing import Final

CACHE_MEMBERS: Final = ("prompt_cache_key", "cache_salt")
