"""What a call needs and what a deployment can do. Pure. A capability that is not stated is assumed."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from catalog.snapshot import Deployment, Model


class Requirements(msgspec.Struct, frozen=True, kw_only=True):
    """What serving a request requires. `prompt_tokens` is an estimate; 0: it needs no check."""

    modalities: tuple[str, ...] = ()
    tools: bool = False
    json_schema: bool = False
    prompt_tokens: int = 0
    members: tuple[str, ...] = ()  # that the gateway does not know
    keeps_money: bool = False  # a budget limits the call


class MissingCapability(msgspec.Struct, frozen=True):
    """Why a deployment cannot serve: the request's parameter, and a text."""

    param: str
    words: str
    is_window: bool = False


NOTHING = Requirements()
SHORTEST_TOKEN_BYTES = 4  # a prompt is checked only if its bytes, at this many a token, exceed the window


def lack_of(deployment: Deployment, model: Model, need: Requirements) -> MissingCapability | None:
    """Return the first requirement that this deployment does not meet."""
    can = deployment.can
    if can.modalities is not None:
        for modality in need.modalities:
            if modality not in can.modalities:
                return MissingCapability("messages", f"takes no {modality}")
    if need.tools and not can.tools:
        return MissingCapability("tools", "takes no tools")
    if need.json_schema and not can.json_schema:
        return MissingCapability("response_format", "does not keep to a JSON schema")
    for member in need.members:
        if not can.unknown_members or (need.keeps_money and _top(member) in can.refused_members):
            return MissingCapability(
                member, f"takes no member '{_top(member)}', which the gateway does not know"
            )
    window = can.context_window or model.context_window
    if window is not None and need.prompt_tokens > window:
        return MissingCapability("messages", f"reads at most {window:,} tokens", is_window=True)
    return None


def _top(member: str) -> str:
    """Return the name of an unknown member without its path: `messages[3].content.video` is `video`."""
    return member.rpartition(".")[2]


def need_of(asked: Requirements, size: int, models: Iterable[Model], estimate: int | None) -> Requirements:
    """Return what of a request a deployment of `models` could lack. `asked` is what its structure requires.

    `size` is in bytes; `estimate` is of the prompt's tokens; None: the request is not one prompt.
    """
    is_limited, window = False, None
    for model in models:
        for deployment in model.deployments:
            can = deployment.can
            is_limited = is_limited or can.modalities is not None or not can.tools or not can.json_schema
            own = can.context_window or model.context_window
            if own is not None and (window is None or own < window):
                window = own
    is_long = estimate is not None and window is not None and size > window * SHORTEST_TOKEN_BYTES
    if not is_limited and not is_long:
        return NOTHING
    need = asked if is_limited else NOTHING
    return msgspec.structs.replace(need, prompt_tokens=estimate or 0) if is_long else need
