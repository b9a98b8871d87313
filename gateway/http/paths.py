"""Interprets the path of a request: normalizes a careless one, and gives a hint for an unknown one. Pure.

Clients join a base URL with a path. The usual mistakes are an extra slash, a missing /v1, and /v1 twice.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import Final

HEALTH_PATHS = frozenset({"/healthz", "/readyz"})
LOOKED_AT: Final = 256  # characters of an unknown path
CALLS: Final = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/messages", "/v1/responses")
SERVED: Final = (
    *CALLS,
    *("/v1/messages/count_tokens", "/v1/responses/compact", "/v1/responses/input_tokens"),
    *("/v1/models", "/v1/gateway/simulate"),
)
"""What else is known to be asked for, by the first part of its path after /v1, and what serves instead.

Sources: the API references of OpenAI and of Anthropic; /rerank and /score are those of Cohere, Jina and vLLM.
"""
KNOWN: Final = {
    **dict.fromkeys(("complete", "edits"), CALLS[0]),
    **dict.fromkeys(("conversations", "assistants", "threads", "chatkit"), CALLS[0]),
    **dict.fromkeys(("audio", "images", "videos", "realtime", "moderations", "rerank", "score"), ""),
    **dict.fromkeys(("files", "uploads", "batches", "fine_tuning", "fine-tunes", "vector_stores"), ""),
    **dict.fromkeys(("containers", "evals", "graders", "skills", "organization", "engines"), ""),
}
NOTHING: Final = "There is nothing at this address; the API page is at /v1/docs."

_SLASHES: Final = re.compile("/{2,}")
_MODEL: Final = re.compile("/+v1/+models/+(.*[^/])/*", re.DOTALL)
# Path endings that only calls have, whatever precedes them.
_ENDS: Final = (*(path.removeprefix("/v1") for path in CALLS), "/count_tokens")
_SITE: Final = ("/admin/", "/static/", "/accounts/", "/user/")
NOT_FOUND, UNSUPPORTED = "not_found", "unsupported_endpoint"


def is_careless(path: str) -> bool:
    """Return whether the path has an extra slash."""
    return path[-1:] == "/" or "//" in path


def tidy(path: str) -> str:
    """Return the path with single slashes, and none at its end. Slashes inside a model's name are kept."""
    model = _MODEL.fullmatch(path)
    if model is not None:
        return f"/v1/models/{model[1]}"
    return _SLASHES.sub("/", path).rstrip("/") or "/"


def is_call(path: str) -> bool:
    """Return whether a normalized path is for /v1, or was meant to be."""
    if path.startswith("/v1/") or path == "/v1":
        return True
    plain = _plain(path)
    if plain.startswith(_SITE):
        return False
    return plain == "/v1" or plain.startswith("/v1/") or plain.endswith(_ENDS)


def is_reachability_check(method: str, path: str) -> bool:
    """Return whether it only asks whether a server is there, as Claude Code does when it starts."""
    return method == "HEAD" and path == "/"


def explain(path: str) -> tuple[str, str]:
    """Return the code and the message for an unknown path: they name what its client probably meant."""
    plain = _plain(path)
    first = _known_in(plain)
    if first:
        instead = f"; use {KNOWN[first]}." if KNOWN.get(first) else "."
        return UNSUPPORTED, f"'/v1/{first}' is not supported by this version of the gateway{instead}"
    if plain in {"/", "/v1"}:
        return NOT_FOUND, f"{NOTHING} The API has {', '.join(SERVED)}."
    meant = next((each for each in SERVED if plain.endswith(each.removeprefix("/v1"))), "")
    if meant == plain or not meant:
        close = meant or _close(plain)
        return NOT_FOUND, f"There is nothing at this address; did you mean {close}?" if close else NOTHING
    return (
        NOT_FOUND,
        f"There is nothing at this address; this gateway's base URL ends in /v1: it has {meant}.",
    )


def _plain(path: str) -> str:
    return tidy(path[:LOOKED_AT].strip()).lower()


def _known_in(plain: str) -> str:
    """Return the first part of a known path that is not served, even if /v1 is missing or is not at the start."""
    parts = plain.split("/")[1:]
    while "v1" in parts:
        parts = parts[parts.index("v1") + 1 :]
    if parts[:2] == ["chat", "completions"] and len(parts) > 2:  # noqa: PLR2004 - of a stored completion
        return "chat/completions/{id}"
    if parts[:2] == ["messages", "batches"]:
        return "messages/batches"
    return parts[0] if parts and parts[0] in KNOWN else ""


def _close(plain: str) -> str:
    """Return the served path that is most similar to a misspelled or incomplete one."""
    begun = [served for served in SERVED if served.startswith(f"{plain}/")]
    return (begun or get_close_matches(plain, SERVED, 1, 0.75) or [""])[0]
