"""What a call needs and what a deployment can do. Pure. A capability that is not stated is assumed."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from catalog.snapshot import Capabilities, Deployment, Model
from providers.conversation.parameters import Unfit
from providers.target import Target


class Requirements(msgspec.Struct, frozen=True, kw_only=True):
    """What serving a request requires. `prompt_tokens` is an estimate; 0: it needs no check.

    `prompt_member`, `schema_member`: how the client's API names the prompt and the form of the response.
    """

    modalities: tuple[str, ...] = ()
    tools: bool = False
    json_schema: bool = False
    prompt_tokens: int = 0
    prompt_member: str = "messages"
    schema_member: str = "response_format"
    members: tuple[str, ...] = ()  # that the gateway does not know
    keeps_money: bool = False  # a budget limits the call
    unfit: Callable[[Target], Unfit | None] | None = (
        None  # what a target's API cannot express; None: bytes pass
    )


class MissingCapability(msgspec.Struct, frozen=True):
    """Why a deployment cannot serve: the request's parameter, and a text. `code`: the error's, "" for the usual one."""

    param: str
    text: str
    is_window: bool = False
    code: str = ""


NOTHING = Requirements()
SHORTEST_TOKEN_BYTES = 4  # a prompt is checked only if its bytes, at this many a token, exceed the window


def missing_capability(
    deployment: Deployment, model: Model, requirements: Requirements
) -> MissingCapability | None:
    """Return the first requirement that this deployment does not meet."""
    capabilities = deployment.capabilities
    if capabilities.modalities is not None:
        for modality in requirements.modalities:
            if modality not in capabilities.modalities:
                return MissingCapability(requirements.prompt_member, f"takes no {modality}")
    if requirements.tools and not capabilities.tools:
        return MissingCapability("tools", "takes no tools")
    if requirements.json_schema and not capabilities.json_schema:
        return MissingCapability(requirements.schema_member, "does not keep to a JSON schema")
    return _missing_member(deployment, requirements) or _too_long(deployment, model, requirements)


def _missing_member(deployment: Deployment, requirements: Requirements) -> MissingCapability | None:
    capabilities = deployment.capabilities
    for member in requirements.members:
        if not capabilities.unknown_members or (
            requirements.keeps_money and _top(member) in capabilities.refused_members
        ):
            return MissingCapability(
                member, f"takes no member '{_top(member)}', which the gateway does not know"
            )
    if requirements.unfit is not None and (unfit := requirements.unfit(deployment.target)) is not None:
        return MissingCapability(unfit.member, unfit.why, code="unsupported_parameter")
    return None


def _too_long(deployment: Deployment, model: Model, requirements: Requirements) -> MissingCapability | None:
    window = deployment.capabilities.context_window or model.context_window
    if window is not None and requirements.prompt_tokens > window:
        return MissingCapability(
            requirements.prompt_member, f"reads at most {window:,} tokens", is_window=True
        )
    return None


def _top(member: str) -> str:
    """Return the name of an unknown member without its path: `messages[3].content.video` is `video`."""
    return member.rpartition(".")[2]


def requirements_for(
    stated: Requirements, size: int, models: Iterable[Model], estimate: int | None
) -> Requirements:
    """Return what of a request a deployment of `models` could lack. `stated` is what its structure requires.

    `size` is in bytes; `estimate` is of the prompt's tokens; None: the request is not one prompt.
    """
    is_limited, window = False, None
    for model in models:
        for deployment in model.deployments:
            is_limited = is_limited or _lacks_one(deployment.capabilities, stated)
            own = deployment.capabilities.context_window or model.context_window
            if own is not None and (window is None or own < window):
                window = own
    is_long = estimate is not None and window is not None and size > window * SHORTEST_TOKEN_BYTES
    if not is_limited and not is_long:
        return NOTHING
    requirements = stated if is_limited else NOTHING
    return msgspec.structs.replace(requirements, prompt_tokens=estimate or 0) if is_long else requirements


def _lacks_one(capabilities: Capabilities, stated: Requirements) -> bool:
    """Return whether a deployment could fail a requirement of a request."""
    return (
        (stated.tools and not capabilities.tools)
        or (stated.json_schema and not capabilities.json_schema)
        or (capabilities.modalities is not None and not capabilities.modalities.issuperset(stated.modalities))
    )
