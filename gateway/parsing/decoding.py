"""Decodes the JSON of a body into a type, with an upper bound of its members, and says what is wrong with it."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from gateway.http.exceptions import BadRequest, not_json
from gateway.parsing.json_errors import readable

MOST_MEMBERS = 20_000  # of a body, beside those inside its _Bulk: decoding them blocks every other call
_LOCATION = re.compile(r" - at `\$(?:\.|\b)?(.*)`$")
_MISSING = re.compile(r"missing required field `(\w+)`")


class _Bulk(msgspec.Struct):
    """The members of a body that may be large for good reasons; they are never decoded."""

    messages: msgspec.Raw = msgspec.Raw()
    input: msgspec.Raw = msgspec.Raw()
    system: msgspec.Raw = msgspec.Raw()
    prompt: msgspec.Raw = msgspec.Raw()
    tools: msgspec.Raw = msgspec.Raw()
    output_config: msgspec.Raw = msgspec.Raw()
    functions: msgspec.Raw = msgspec.Raw()
    response_format: msgspec.Raw = msgspec.Raw()
    metadata: msgspec.Raw = msgspec.Raw()
    documents: msgspec.Raw = msgspec.Raw()
    prediction: msgspec.Raw = msgspec.Raw()


BULK = frozenset(_Bulk.__struct_fields__)
_bulk = msgspec.json.Decoder(_Bulk)


def decode(decoder: msgspec.json.Decoder[Any], raw: bytes) -> Any:
    """Raises BadRequest with a message that names the member."""
    try:
        if not raw.isascii():
            raw.decode()  # msgspec checks only the members it knows; what is not UTF-8 is not JSON
        body = decoder.decode(raw)
        if len(raw) > MOST_MEMBERS and raw.count(b":") > MOST_MEMBERS:  # every member has one
            _count_members(raw)
        return body  # noqa: TRY300 - kept with the code that can fail
    except msgspec.ValidationError as error:
        raise _explain(str(error)) from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise not_json(error) from None


def _count_members(raw: bytes) -> None:
    """Count, as an upper bound, the members outside the bulk, without decoding it. Raises BadRequest."""
    bulk = _bulk.decode(raw)
    inside = sum(bytes(getattr(bulk, name)).count(b":") for name in _Bulk.__struct_fields__)
    if raw.count(b":") - inside > MOST_MEMBERS:
        raise BadRequest(f"Your request has more than {MOST_MEMBERS:,} members.", code="too_many_members")


def _explain(text: str) -> BadRequest:
    missing = _MISSING.search(text)
    if missing is not None:
        name = missing.group(1)
        return BadRequest(f"You must provide the parameter '{name}'.", name, "missing_required_parameter")
    location = _LOCATION.search(text)
    param = location.group(1).replace("[...]", "") if location is not None else None
    message = text[: location.start()] if location is not None else text
    where = f"Invalid value for '{param}': " if param else "Invalid body: "
    return BadRequest(f"{where}{readable(message)}.", param or None, "invalid_value")
