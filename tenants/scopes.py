"""The families of endpoints that a key may be limited to. An empty list of scopes means all of them."""

from __future__ import annotations

SCOPES = ("chat", "embeddings", "images", "audio", "moderations", "rerank", "files", "batches")
SERVED = ("chat", "embeddings")  # by the endpoints that there are: forms offer no others
