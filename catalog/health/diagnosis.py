"""Diagnosis of a background probe for the author of the row: a typo in the model's name, or the usual meaning of a
failure. Pure.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Final

from providers.probe import NO_MODEL, PLAIN_TO_TLS

ALIKE: Final = 0.75
BELOW_A_BASE: Final = ("/chat/completions", "/embeddings", "/models")
# Texts of a failure and their meaning; the first match counts. The statuses are those of RFC 9110, section 15.
_MEANINGS: Final = (
    ("status 401", "it refuses the API key"),
    ("status 403", "it refuses the API key, or what that key may do"),
    (f"status 404: {NO_MODEL}", "it has no model of this name, or the key may not use it"),
    ("status 404", "nothing is at this path: most base URLs end in /v1"),
    ("CERTIFICATE_VERIFY_FAILED", "its certificate is not trusted on this machine"),
    ("ConnectionRefusedError", "nothing listens on this port"),
    ("gaierror", "the name of the host is not known"),
)

# What a port answers to the other scheme: texts of OpenSSL and of the system, by server (OpenSSL, nginx, Go, Apache).
_NO_TLS: Final = re.compile(
    r"ConnectFailed: .*(WRONG_VERSION_NUMBER|RECORD_LAYER_FAILURE|record layer failure|UNEXPECTED_MESSAGE"
    r"|UNEXPECTED_EOF|EOF occurred|ConnectionResetError|ConnectionAbortedError|BrokenPipeError)"
)
_TLS: Final = re.compile(rf"UpstreamBroken: (the connection was closed|.*Expected HTTP/)|{PLAIN_TO_TLS}")


def slips(names: Iterable[str], listed: frozenset[str]) -> str:
    """Return a sentence for each model that the provider does not list although it lists one of nearly that name.

    A list may omit a model that is served; a name that is nearly another one is a typo.
    """
    near = ((name, _near(name, listed)) for name in sorted(set(names) - listed))
    return " ".join(
        f"the provider lists no '{name}', did you mean '{other}'?" for name, other in near if other
    )


def slip_of(error: str, name: str) -> str:
    """Return the sentence about this model among those about all models of one probe target; "" if none."""
    found = re.search(rf"the provider lists no '{re.escape(name)}', did you mean '.*?'\?", error)
    return found.group() if found is not None else ""


def meaning_of(error: str, endpoint: str) -> str:
    """Return what the failure of a probe usually means; "" when that is not known."""
    if "status 404" in error:
        beyond = next((end for end in BELOW_A_BASE if endpoint.rstrip("/").endswith(end)), "")
        if beyond:
            return f"an endpoint is a base URL: take {beyond} off"
    is_tls = endpoint.lower().startswith("https:")
    if is_tls and _NO_TLS.search(error):
        return "it may not speak TLS on this port: https for http?"
    if not is_tls and _TLS.search(error):
        return "it may speak TLS on this port: http for https?"
    return next((meaning for words, meaning in _MEANINGS if words in error), "")


def _near(name: str, listed: frozenset[str]) -> str:
    written = {each.lower(): each for each in listed}
    return next((written[n] for n in difflib.get_close_matches(name.lower(), written, n=1, cutoff=ALIKE)), "")
