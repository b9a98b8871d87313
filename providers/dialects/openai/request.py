"""The request body sent upstream, OpenAI to OpenAI: the client's bytes with only the necessary changes."""

from __future__ import annotations

import msgspec

from providers.dialects.base import Shape
from providers.dialects.openai.model_alias import assemble, members
from providers.isolation.tenant_salt import spliced
from providers.registry import PROVIDERS
from providers.request_additions import Added
from providers.requests.layout import splice
from providers.target import Target

_MODEL_FIRST = b'{"model":'
_encode = msgspec.json.Encoder().encode


def body_for(shape: Shape, raw: bytes, target: Target, added: Added) -> bytes:
    """Return the body for this target; the same bytes when there is nothing to change."""
    asks_usage = _asks_usage(shape, added)
    cap, field = shape.output_cap, _cap_field(shape, added)
    is_capped = cap is None or not field or (cap == shape.stated_cap and shape.cap_names == (field,))
    member = shape.cache_member(target)
    model = target.wire_model or target.upstream_model
    puts_first = PROVIDERS[target.provider].model_first and not raw.startswith(_MODEL_FIRST)
    is_same = model == shape.alias and not asks_usage and is_capped and shape.exact and not shape.absent
    if is_same and not shape.names and not puts_first:
        return spliced(raw, member, shape.salt)
    layout = shape.layout
    parts = members(raw) if layout is None else layout.parts()
    if shape.salt is not None:
        shape.salt.salt(parts, member)
    if puts_first:
        parts.pop("model", None)
    else:
        parts["model"] = msgspec.Raw(_encode(model))
    if asks_usage:
        parts["stream_options"] = _with_usage(parts.get("stream_options"))
    if not is_capped:
        for name in shape.cap_names:
            del parts[name]
        parts[field] = msgspec.Raw(_encode(cap))
    for name in shape.absent:
        parts.pop(name, None)
    body = assemble(parts) if layout is None else splice(raw, layout, parts)
    return _with_first(body, model) if puts_first else body


def _with_first(body: bytes, model: str) -> bytes:
    """Return a body with the model as its first member: Hugging Face's router reads only the beginning."""
    rest = body.lstrip()[1:].lstrip()
    return b'{"model":%b%b%b' % (_encode(model), b"" if rest.startswith(b"}") else b",", rest)


def set_by_gateway(shape: Shape, added: Added) -> str:
    """List what the gateway set in the body and the client did not state, for the header `x-gateway-set`."""
    if shape.output_cap is None and not shape.stream:
        return ""
    cap, field = shape.output_cap, _cap_field(shape, added)
    members = []
    if cap is not None and field and cap != shape.stated_cap:
        members.append(f"{field}={cap}")
    if _asks_usage(shape, added):
        members.append("stream_options.include_usage=true")
    return ", ".join(members)


def _asks_usage(shape: Shape, added: Added) -> bool:
    return shape.stream and not shape.include_usage and added.usage


def _cap_field(shape: Shape, added: Added) -> str:
    """Return the member for the one cap; "": none. A deployment to which no cap is added gets the client's member."""
    if added.cap:
        return added.cap
    return shape.cap_names[0] if shape.cap_names else ""


def _with_usage(options: msgspec.Raw | None) -> msgspec.Raw:
    parts = {} if options is None or bytes(options) == b"null" else members(bytes(options))
    parts["include_usage"] = msgspec.Raw(b"true")
    return msgspec.Raw(assemble(parts))
