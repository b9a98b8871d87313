"""The request body sent upstream, Messages to Messages: the client's bytes with only the necessary changes. Pure.

`model` becomes the deployment's, `max_tokens` the one cap where a budget binds. Bedrock and Vertex take neither `model`
nor every beta flag: a flag that is not known there is left out together with its member of the body.
"""

from __future__ import annotations

from typing import Final

import msgspec

from providers.conversation.parameters import Unsupported
from providers.dialects.anthropic.fitting_thinking import with_fitting_thinking
from providers.dialects.anthropic.later_system import as_user_text
from providers.dialects.anthropic.marks import without_marks
from providers.dialects.anthropic.splice import Edit, applied, inserted, places, without
from providers.dialects.base import Shape
from providers.dialects.openai.model_alias import assemble, members
from providers.json_scan.limits import MalformedAnswer
from providers.platforms.anthropic import AnthropicPlatform, body_version, platform_for
from providers.requests.layout import Layout, splice
from providers.target import Target

CAP: Final = "max_tokens"
BETA: Final = "anthropic-beta"
_VERSION: Final = "anthropic_version"
_BETAS: Final = "anthropic_beta"
# Members of a body and how the flag begins that each of them needs. Hints are left out without it; without the others
# the response would be another one, so that they are refused.
_HINTS: Final = {"context_management": "context-management-", "diagnostics": "\0"}
_NEEDED: Final = {"mcp_servers": "mcp-client-", "container": "code-execution-", "speed": "fast-mode-"}
_NEUTRAL: Final = frozenset({b"null", b"[]", b'"standard"'})
_encode = msgspec.json.Encoder().encode


def body_for(shape: Shape, raw: bytes, target: Target) -> bytes:
    """Raises Unsupported."""
    platform = platform_for(target)
    set_to = _members(shape, target, platform)
    body, layout = raw, shape.layout
    if layout is not None and _is_placed(shape, platform):
        body = _large(raw, layout, set_to) if set_to or not shape.exact else raw
    elif set_to or platform.body_version or not shape.exact:
        body = _edited(shape, raw, set_to, platform)
    body = with_fitting_thinking(as_user_text(body, target), shape, target)
    return without_marks(body, target, shape.salt.ownership if shape.salt is not None else None)


def set_by_gateway(shape: Shape) -> str:
    """List what the gateway set in the body and the client did not state."""
    cap = shape.output_cap
    return "" if cap is None or cap == shape.stated_cap else f"{CAP}={cap}"


def _members(shape: Shape, target: Target, platform: AnthropicPlatform) -> dict[str, bytes]:
    """Return the members that the body gets."""
    found: dict[str, bytes] = {}
    model = target.wire_model or target.upstream_model
    if platform.names_model and model != shape.alias:
        found["model"] = _encode(model)
    if shape.output_cap is not None and (shape.output_cap != shape.stated_cap or shape.cap_names != (CAP,)):
        found[CAP] = _encode(shape.output_cap)
    if version := body_version(target):
        found[_VERSION] = _encode(version)
    if platform.betas_in_body and (flags := platform.flags(shape.client_headers.get(BETA, ""))):
        found[_BETAS] = _encode(flags)
    return found


def _edited(shape: Shape, raw: bytes, set_to: dict[str, bytes], platform: AnthropicPlatform) -> bytes:
    """Replace members where they are; new ones are put at the start, so that the rest stays where it is."""
    try:
        given = places(raw)
    except MalformedAnswer:
        raw = assemble(members(raw))  # a name is there twice: the last value counts, as in parsers
        given = places(raw)
    removed = _removed(shape, {name: raw[each.begin : each.end] for name, each in given.items()}, platform)
    edits: list[Edit] = [
        (given[name].begin, given[name].end, value) for name, value in set_to.items() if name in given
    ]
    new = [(name, value) for name, value in set_to.items() if name not in given]
    edits += without(given, [name for name in removed if name not in set_to])
    if new:
        edits.append(inserted(raw, new, is_empty=not given.keys() - removed))
    return applied(raw, edits)


def _is_placed(shape: Shape, platform: AnthropicPlatform) -> bool:
    """Return whether a large body has known places for all that is replaced in it."""
    layout = shape.layout
    return (
        layout is not None
        and not platform.body_version
        and {"model", *shape.cap_names} <= layout.values.keys()
    )


def _large(raw: bytes, layout: Layout, set_to: dict[str, bytes]) -> bytes:
    """Do the same for a large body, whose members have known places."""
    new = {name: msgspec.Raw(value) for name, value in set_to.items()}
    return splice(raw, layout, {**layout.parts(), **new})


def _removed(shape: Shape, given: dict[str, bytes], platform: AnthropicPlatform) -> set[str]:
    """Return the members that are not sent. Raises Unsupported."""
    if not platform.body_version:
        return set()
    removed = {_BETAS, "betas"} | ({"model"} if not platform.names_model else set())
    if not platform.names_stream:
        removed.add("stream")
    flags = platform.flags(shape.client_headers.get(BETA, ""))
    for name, begin in (*_HINTS.items(), *_NEEDED.items()):
        if name not in given or any(flag.startswith(begin) for flag in flags):
            continue
        if name in _NEEDED and given[name] not in _NEUTRAL:
            raise Unsupported(name, "is not taken by this provider")
        removed.add(name)
    return removed & given.keys()
