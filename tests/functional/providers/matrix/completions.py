"""How responses of the completions API are read in the matrix."""

from __future__ import annotations

from tests.functional.providers.matrix.asking import Got
from tests.functional.providers.matrix.chat import Reply


def reply_of(got: Got) -> Reply:
    """Read a response that succeeded."""
    assert got.answer.status_code == 200, got.answer.text
    if not got.events:
        usage, choices = got.document["usage"], got.document["choices"]
    else:
        assert got.events[-1] == "[DONE]", got.events[-1]
        usage = got.events[-2]["usage"]
        choices = [choice for chunk in got.events[:-1] for choice in chunk["choices"]]
    (finish,) = [choice["finish_reason"] for choice in choices if choice["finish_reason"]]
    text = "".join([choice["text"] for choice in choices])
    return Reply(text=text, refusal="", finish=finish, calls=[], message={}, usage=usage)
