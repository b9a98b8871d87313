"""What a call needs and what a deployment can do. Pure. What nobody stated is believed to be possible."""

from __future__ import annotations

import msgspec

from catalog.snapshot import Deployment, Model


class Need(msgspec.Struct, frozen=True, kw_only=True):
    """What serving a request takes. `prompt_tokens` is an estimate; 0: not worth looking at."""

    modalities: tuple[str, ...] = ()
    tools: bool = False
    json_schema: bool = False
    prompt_tokens: int = 0


class Lack(msgspec.Struct, frozen=True):
    """Why a deployment cannot serve: the request's parameter, and words."""

    param: str
    words: str
    is_window: bool = False


NOTHING = Need()


def lack_of(deployment: Deployment, model: Model, need: Need) -> Lack | None:
    """Return the first thing that this deployment cannot do of what is needed."""
    can = deployment.can
    if can.modalities is not None:
        for modality in need.modalities:
            if modality not in can.modalities:
                return Lack("messages", f"takes no {modality}")
    if need.tools and not can.tools:
        return Lack("tools", "takes no tools")
    if need.json_schema and not can.json_schema:
        return Lack("response_format", "does not keep to a JSON schema")
    window = can.context_window or model.context_window
    if window is not None and need.prompt_tokens > window:
        return Lack("messages", f"reads at most {window} tokens", is_window=True)
    return None


def is_limited(model: Model) -> bool:
    """Whether a request could need what some deployment of this model cannot do, its window apart."""
    return any(
        deployment.can.modalities is not None or not deployment.can.tools or not deployment.can.json_schema
        for deployment in model.deployments
    )


def smallest_window(model: Model) -> int | None:
    """Return the shortest context window of a model's deployments, or None where none is known."""
    windows = [deployment.can.context_window or model.context_window for deployment in model.deployments]
    return min((window for window in windows if window is not None), default=None)


def need_of(raw: bytes, model: Model, prompt_tokens: int) -> Need:
    """Read from a request's bytes what it needs; looks only when somebody in `model` could lack it.

    A quotation mark inside a JSON text is escaped, so the names below can only be members or values of their own.
    """
    window = smallest_window(model)
    is_long = window is not None and prompt_tokens > window
    if not is_limited(model):
        return Need(prompt_tokens=prompt_tokens) if is_long else NOTHING
    modalities = []
    if b'"image_url"' in raw:
        modalities.append("image")
    if b'"input_audio"' in raw:
        modalities.append("audio")
    return Need(
        modalities=tuple(modalities),
        tools=b'"tools"' in raw or b'"functions"' in raw,
        json_schema=b'"json_schema"' in raw,
        prompt_tokens=prompt_tokens if is_long else 0,
    )
