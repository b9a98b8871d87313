"""Clients of Anthropic's Messages API at providers of the same API: bytes pass."""
