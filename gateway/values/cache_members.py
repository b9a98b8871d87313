"""The request members that name a provider's prompt cache.

Separate from the configuration, so that gateway/parsing/heavy_process.py need not import all of that at startup.
"""

from __future__ import annotations

from typing import Final

CACHE_MEMBERS: Final = ("prompt_cache_key", "cache_salt")
