"""A completions request becomes a conversation: its prompt is what a user says. Source: OpenAI, "Create completion".

One prompt as text can be translated. What else the API has - several prompts, token ids, `suffix`, `echo`, `best_of`,
probabilities - is stated as unknown, so that only providers with this API get it.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from providers.conversation.content import Text
from providers.conversation.parameters import UNKNOWN
from providers.conversation.request import Conversation, Turn
from providers.conversation.stated import Statements
from providers.isolation.ownership import Ownership
from providers.requests.completions import DEFAULT_CAP
from providers.requests.money_classes import Unacceptable


class _Body(msgspec.Struct):
    prompt: msgspec.Raw
    model: Any = None
    best_of: int | None = None
    echo: bool | None = None
    frequency_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    logprobs: int | None = None
    max_tokens: int | None = None
    n: int | None = None
    presence_penalty: float | None = None
    seed: int | None = None
    stop: str | tuple[str, ...] | None = None
    stream: bool | None = None
    stream_options: Any = None
    suffix: str | None = None
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    user: str | None = None


# Member, parameter, and the values that are the API's default.
_VALUES: Final[tuple[tuple[str, str, tuple[Any, ...]], ...]] = (
    ("max_tokens", "max_tokens", ()),
    ("temperature", "temperature", (1,)),
    ("top_p", "top_p", (1,)),
    ("top_k", "top_k", ()),
    ("n", "n", (1,)),
    ("presence_penalty", "presence_penalty", (0,)),
    ("frequency_penalty", "frequency_penalty", (0,)),
    ("seed", "seed", ()),
    ("stop", "stop", ((),)),
    ("logit_bias", "logit_bias", ({},)),
    ("user", "user", ("",)),
)
# Members without a meaning in a chat, and the values with which they ask for nothing.
_OWN: Final[dict[str, tuple[Any, ...]]] = {"best_of": (1,), "echo": (False,), "logprobs": (), "suffix": ("",)}
_decode = msgspec.json.Decoder(_Body).decode
_decode_names = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_text = msgspec.json.Decoder(str).decode
_decode_texts = msgspec.json.Decoder(list[str]).decode


def read(raw: bytes, _ownership: Ownership | None) -> Conversation:
    """Raises Unacceptable, msgspec.DecodeError. `user` is not salted yet."""
    stated = Statements()
    try:
        body = _decode(raw)
    except msgspec.ValidationError as error:
        words, _, path = str(error).partition(" - at `$.")
        param = path.rstrip("`").replace("[...]", "")
        raise Unacceptable(f"Invalid value for '{param}': {words}.", param, "invalid_value") from None
    for member, name, defaults in _VALUES:
        value = getattr(body, member)
        if value is not None and value not in defaults:
            stated.add(name, member)
    text = _prompt(bytes(body.prompt))
    stated.add_unknown(UNKNOWN, [*([] if text is not None else ["prompt"]), *_without_meaning(raw, body)])
    return Conversation(
        turns=(Turn("user", (Text(text or ""),)),),
        max_output_tokens=DEFAULT_CAP if body.max_tokens is None else body.max_tokens,
        stop=(body.stop,) if isinstance(body.stop, str) else body.stop or (),
        temperature=body.temperature,
        top_p=body.top_p,
        top_k=body.top_k,
        n=body.n or 1,
        presence_penalty=body.presence_penalty or None,
        frequency_penalty=body.frequency_penalty or None,
        seed=body.seed,
        user=body.user or "",
        stream=bool(body.stream),
        stated=stated.all(),
    )


def _prompt(given: bytes) -> str | None:
    """Return the one prompt; None where there are several, or token ids."""
    try:
        if given[:1] == b'"':
            return _decode_text(given)
        texts = _decode_texts(given)
    except msgspec.ValidationError:
        return None
    return texts[0] if len(texts) == 1 else None


def _without_meaning(raw: bytes, body: _Body) -> list[str]:
    own = [name for name, silent in _OWN.items() if getattr(body, name) not in (None, *silent)]
    names = _decode_names(raw)
    known = _Body.__struct_fields__
    return [*own, *[name for name, value in names.items() if name not in known and bytes(value) != b"null"]]
