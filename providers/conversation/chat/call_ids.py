"""A signature of Gemini behind the id of a tool call, for clients that drop the members they do not know.

`<id>~gs1.<signature>` and, from the gateway's mark, `~gw1.<owner and MAC>`. A signature is base64; in an id it is
written in the letters of base64url, and "." for "=". Longer ones than MOST are not put there: ids are copied often.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from providers.isolation.ownership import MARK

SIGNED: Final = "~gs1."
MOST: Final = 2_048  # characters of a signature with its mark
_BASE64: Final = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_TO_ID: Final = str.maketrans("+/=", "-_.")
_FROM_ID: Final = str.maketrans("-_.", "+/=")


class CallId(NamedTuple):
    """`signature` with its mark; "": there is none behind the id."""

    id: str
    signature: str


def with_signature(call_id: str, signature: str) -> str:
    """Return the id with a marked signature behind it, if that is short enough; else the id alone."""
    text, mark, owner = signature.partition(MARK)
    if len(signature) > MOST or not _BASE64.fullmatch(text):
        return call_id
    return f"{call_id}{SIGNED}{text.translate(_TO_ID)}{mark}{owner}"


def split(call_id: str) -> CallId:
    """Return the id without what `with_signature` put behind it."""
    own, found, rest = call_id.partition(SIGNED)
    if not found:
        return CallId(call_id, "")
    text, mark, owner = rest.partition(MARK)
    return CallId(own, f"{text.translate(_FROM_ID)}{mark}{owner}")
