"""The variables of a chat template: what some servers pass to the function that renders it, along with the messages.

Of that function's own arguments, one is the template itself, which may repeat the prompt a thousand times, and others
pad the prompt to a length. Sources: Hugging Face Transformers, `apply_chat_template`; vLLM, GHSA-6fvq-23cw-5628.
"""

from __future__ import annotations

import re
from typing import Final

from providers.requests.spelling import Raws, fold, strictly

_ARGUMENT: Final = re.compile(r".*(template|tokeniz|padding|length|conversation)")
_MOST_NAME: Final = 256

DOCUMENT_TOKENS: Final = 24  # the frame of one: Granite's is a role with an object that holds its number


def documents_frame(parts: Raws) -> int:
    """Return how many tokens templates may add around documents (possibly empty), also those among the variables."""
    given = [bytes(parts[name]) for name in ("documents", "chat_template_kwargs") if name in parts]
    return sum([DOCUMENT_TOKENS * (value.count(b",") + 1) for value in given if value != b"null"])


def sets_template(variables: bytes) -> bool:
    """Whether they set more than the variables of a template. Raises Unacceptable."""
    given = strictly(variables)
    if not isinstance(given, dict):
        return False
    stated = [name for name, value in given.items() if value is not None]
    return any(len(name) > _MOST_NAME or _ARGUMENT.match(fold(name)) for name in stated)
