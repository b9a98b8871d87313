"""Takes out of the chunks of a stream what was not asked for by the client: the upstream's model, a null usage. Pure.

The first chunk shows how this provider spells both, and nearly all others have the same bytes: a regular expression is
only run where they have not. Quotes inside strings are escaped, so only real members can match.
"""

from __future__ import annotations

import re

_MODEL = re.compile(rb'"model"\s*:\s*"(?:[^"\\]|\\.)*"')
_NULL_USAGE = re.compile(rb',\s*"usage"\s*:\s*null')


class Spelling:
    """Of one stream. `alias` is the client's name of the model, as JSON."""

    __slots__ = ("_model", "_null_usage", "_own_model")

    def __init__(self, alias: bytes) -> None:
        self._own_model = b'"model":' + alias
        self._model = b"\x00"  # which is in no JSON, until one was seen
        self._null_usage = b',"usage":null'

    def without_null_usage(self, data: bytes) -> bytes:
        """Take out the `"usage": null` that only asking for the usage has brought."""
        before, null, after = data.rpartition(self._null_usage)
        if null or b'"usage"' not in data:
            return before + after
        found = _NULL_USAGE.search(data)
        if found is None:
            return data
        self._null_usage = found.group()
        return data[: found.start()] + data[found.end() :]

    def with_own_model(self, data: bytes) -> bytes:
        """Replace the upstream's model name."""
        before, model, after = data.partition(self._model)
        if model:
            return before + self._own_model + after.replace(model, self._own_model)
        found = _MODEL.search(data)
        if found is None:
            return data
        self._model = found.group()
        return data.replace(self._model, self._own_model)
