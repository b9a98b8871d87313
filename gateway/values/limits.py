"""What limits are called and how they are stored, in the configuration, in tables and in forms alike."""

from __future__ import annotations

UNLIMITED = -1  # how the word `unlimited` is stored; None means "inherit"
RATES = ("requests_per_minute", "tokens_per_minute", "parallel_requests")
