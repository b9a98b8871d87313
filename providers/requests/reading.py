"""Reads a request once: caps, choices, media, references, and the members missing from the table. Pure.

Everything in a `Reading` is an upper bound or a fact. Text is bounded by the bytes of the whole body less the
media that were recognised and measured, so no member can be missed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from providers.isolation.tenant_salt import CACHES, MEMBERS
from providers.media.images import Picture
from providers.requests import chat, embeddings
from providers.requests.account_objects import refuse_named, refuse_objects
from providers.requests.caps import MOST_NAME, Caps, caps_inside, caps_of, stated_alone
from providers.requests.features import MOST_UNKNOWN, features_of
from providers.requests.money_classes import Money, Table, Unacceptable
from providers.requests.parts import Parts, parts_of
from providers.requests.spelling import Raws, check_objects, check_spelling, folded, is_exact, strictly
from providers.requests.templates import documents_frame, sets_template
from providers.requests.token_expansion import extra_bytes, written_out
from providers.usage import USUAL_TIERS

_CHAT_SPELLINGS: Final = folded(chat.MEMBERS)
_EMBEDDINGS_SPELLINGS: Final = folded(embeddings.MEMBERS)
_IN_MEMORY: Final = frozenset({b'"in_memory"', b'"in-memory"'})  # of prompt_cache_retention
NEUTRAL: Final = frozenset({b"null", b"false", b"0", b"{}", b"[]", b'""'})
_EMPTY: Final = frozenset({b"null", b"[]"})
_NO_CHOICE: Final = frozenset({b"null", b'"auto"', b'"none"'})
OFF: Final = frozenset({b"null", b"false"})

_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_any = msgspec.json.Decoder()


class _Format(msgspec.Struct):
    type: str | None = None


_format = msgspec.json.Decoder(_Format)
_texts = msgspec.json.Decoder(list[str])


class Reading(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A body read by the table of its API. Names are for refusals and for the log."""

    text_bytes: int
    growth: int = 0  # tokens that printed tools and the like may have beyond their bytes
    cap: int | None = None  # the client's cap, under any name; some servers take 0 as no cap
    cap_names: tuple[str, ...] = ()  # the members that state it
    choices: int = 1
    tools: bool = False
    pictures: tuple[Picture, ...] = ()
    sounds: int = 0
    audio_ms: int = 0
    documents: tuple[str, ...] = ()  # the locations of PDFs; their base64 still counts as text
    document_bytes: int = 0
    references: tuple[str, ...] = ()  # only the context window bounds them
    unknown: tuple[str, ...] = ()  # members and parts missing from the table: bounded as references
    features: tuple[str, ...] = ()  # need a separate price
    tier: str = ""
    place: str = ""  # where the call shall be served, if not anywhere
    against_cap: tuple[str, ...] = ()  # refused where a limit needs the cap
    predicted_bytes: int = 0  # output that is billed beyond the cap
    has_audio_output: bool = False  # the response may have audio
    keeps: str = ""  # the member that asks the provider to store something of the call
    exact: bool = True  # False: a key may be duplicated, so the body must be sent as parsed
    inputs: int = 1  # prompts in one body, or of one call, at most
    messages: int = 0  # and their blocks, each of which a template may frame; 0: as many as the body has
    names: tuple[str, ...] = ()  # members that name a cache or a person, where not empty
    modalities: tuple[str, ...] = ()  # image | audio: what the parts of messages carry, by their structure
    json_schema: bool = False  # the response must follow a schema
    absent: tuple[
        str, ...
    ] = ()  # members about tools, without a tool: no effect, and some servers refuse them


def read_chat(raw: bytes, messages: Sequence[Raws]) -> Reading:
    """Read a chat body whose messages were split into members. Raises Unacceptable, msgspec.DecodeError."""
    parts = _members.decode(raw)
    exact = is_exact(raw, parts)
    check_objects(bytes(parts["messages"]), messages)
    found = parts_of(messages)
    special = parts.keys() - chat.PLAIN
    special.discard("messages")
    names = names_of(parts)
    growth = _growth(parts, messages)
    schema = "response_format" in parts and _is_schema(bytes(parts["response_format"]))
    if found is None and len(special) <= 1:
        size = len(raw) + extra_bytes(raw)
        if not special:
            return Reading(text_bytes=size, growth=growth, exact=exact, names=names, json_schema=schema)
        cap = stated_alone(parts, special)
        if cap is not None:
            caps = (*special,)
            return Reading(
                text_bytes=size,
                growth=growth,
                cap=cap,
                cap_names=caps,
                exact=exact,
                names=names,
                json_schema=schema,
            )
    read = _chat_reading(raw, parts, special, found or Parts())
    return msgspec.structs.replace(
        read,
        growth=growth,
        exact=exact,
        names=names,
        json_schema=schema,
        absent=_without_tools(parts),
    )


def _growth(parts: Raws, messages: Sequence[Raws]) -> int:
    """Return an upper bound of the tokens that printed members have beyond their bytes, earlier calls included."""
    printed = [bytes(parts[name]) for name in chat.PRINTED.intersection(parts)]
    printed += [bytes(message[name]) for message in messages for name in chat.CALLS if name in message]
    return sum(map(written_out, printed)) + documents_frame(parts) if printed else 0


def _chat_reading(raw: bytes, parts: dict[str, msgspec.Raw], special: set[str], found: Parts) -> Reading:
    unknown = unknown_members(parts, special, chat.MEMBERS, _CHAT_SPELLINGS)
    refuse_named(parts, unknown)
    stated = {name: bytes(parts[name]) for name in special if name in chat.MEMBERS}
    stated = {name: value for name, value in stated.items() if not is_neutral(name, value)}
    refuse_destinations(stated)
    if "audio" in stated:
        refuse_objects(strictly(stated["audio"]), "audio")
    caps = caps_of(stated, unknown)
    inside = caps_inside(parts, [*caps.unknown, *chat.OUTSIDE.intersection(stated)])
    features, tools_unknown = features_of(parts, stated)
    of_window = [name for name in stated if chat.MEMBERS[name].money is Money.REFERENCE]
    if "chat_template_kwargs" in stated and sets_template(stated["chat_template_kwargs"]):
        of_window.append("chat_template_kwargs")
    return Reading(
        text_bytes=len(raw) - found.media_bytes + extra_bytes(raw),
        cap=caps.cap,
        cap_names=tuple(sorted(special & chat.CAPS)),  # also the empty ones: one cap goes upstream
        choices=caps.choices,
        tools="tools" in stated or "functions" in stated,
        pictures=tuple(found.pictures),
        modalities=found.modalities,
        sounds=found.sounds,
        audio_ms=found.audio_ms,
        documents=tuple(found.documents),
        document_bytes=found.document_bytes,
        references=(*found.references, *of_window),
        unknown=(*caps.unknown, *found.unknown, *tools_unknown),
        features=features,
        tier=tier_of(stated.get("service_tier")),
        against_cap=(*caps.against, *inside),
        predicted_bytes=len(stated.get("prediction", b"")),
        has_audio_output="audio" in stated
        or "audio" in str(_any.decode(stated.get("modalities", b'""'))).casefold(),
        keeps=keeping(stated, chat.MEMBERS),
    )


def read_embeddings(raw: bytes, given: bytes) -> Reading:
    """Read an embeddings body whose `input` is `given`. Raises Unacceptable, msgspec.DecodeError."""
    parts = _members.decode(raw)
    exact = is_exact(raw, parts)
    special = parts.keys() - embeddings.PLAIN
    has_objects = b"{" in given and given[:1] != b'"' and not _is_texts(given)
    if not special and not has_objects:
        beside = b"".join([bytes(parts[name]) for name in embeddings.TEXTS.intersection(parts)])
        text_bytes = len(given) + extra_bytes(given) + len(beside) + extra_bytes(beside)
        return Reading(text_bytes=text_bytes, exact=exact, names=names_of(parts))
    unknown = unknown_members(parts, special, embeddings.MEMBERS, _EMBEDDINGS_SPELLINGS)
    refuse_named(parts, unknown)
    stated = {name: bytes(parts[name]) for name in special if name in embeddings.MEMBERS}
    stated = {name: value for name, value in stated.items() if value not in NEUTRAL}
    refuse_destinations(stated)
    refused = [name for name in stated if embeddings.MEMBERS[name].money is Money.REFUSED]
    of_window = [name for name in stated if embeddings.MEMBERS[name].money is Money.REFERENCE]
    if has_objects:
        of_window.append("input")
    return Reading(
        text_bytes=len(raw) + extra_bytes(raw),
        references=tuple(of_window),
        unknown=tuple(unknown),
        against_cap=tuple(refused),
        keeps=keeping(stated, embeddings.MEMBERS),
        exact=exact,
        names=names_of(parts),
        inputs=given.count(b",") + 1 if given[:1] == b"[" else 1,
    )


def names_of(parts: dict[str, msgspec.Raw]) -> tuple[str, ...]:
    """Return the members that name a cache, even an empty one, or a person."""
    found = MEMBERS.intersection(parts)
    return (
        tuple([name for name in found if name in CACHES or bytes(parts[name]) not in NEUTRAL])
        if found
        else ()
    )


def unknown_members(parts: Raws, special: set[str], table: Table, spellings: dict[str, str]) -> list[str]:
    """Return the unknown members that are not null. Raises Unacceptable for other spellings, too long names, and too
    many unknown members.
    """
    unknown = sorted(special - table.keys())
    longest = max(unknown, key=len, default="")
    if len(longest) > MOST_NAME:
        message = f"A member of your request has a name of more than {MOST_NAME:,} letters."
        raise Unacceptable(message, longest[:64], "invalid_value")
    if len(unknown) > MOST_UNKNOWN:
        message = f"More than {MOST_UNKNOWN:,} members of your request are not known."
        raise Unacceptable(message, unknown[0][:64], "too_many_members")
    check_spelling(unknown, spellings)
    return [name for name in unknown if bytes(parts[name]) != b"null"]


def _is_schema(given: bytes) -> bool:
    try:
        return _format.decode(given).type == "json_schema"
    except msgspec.ValidationError:
        return False


def _without_tools(parts: dict[str, msgspec.Raw]) -> tuple[str, ...]:
    """Return the members about tools in a body without tools: an empty list is none, as is null."""
    lists = [name for name in ("tools", "functions") if name in parts]
    if not lists or any(bytes(parts[name]).translate(None, b" \t\r\n") not in _EMPTY for name in lists):
        return ()
    beside = {"tool_choice": _NO_CHOICE, "function_call": _NO_CHOICE, "parallel_tool_calls": None}
    return (
        *lists,
        *(
            name
            for name, values in beside.items()
            if name in parts and (values is None or bytes(parts[name]) in values)
        ),
    )


def keeping(stated: dict[str, bytes], table: Table) -> str:
    """Return the first member that makes a provider store more than it holds in memory while serving."""
    return min(
        [name for name, value in stated.items() if table[name].keeps and value not in _IN_MEMORY], default=""
    )


def is_neutral(name: str, value: bytes) -> bool:
    """Whether a member has no effect. An empty object turns a feature on, and a cap of 0 is a cap."""
    if name in chat.CAPS and value == b"0":
        return False
    row = chat.MEMBERS.get(name)
    return value in (OFF if row is not None and row.money is Money.FEATURE else NEUTRAL)


def _is_texts(given: bytes) -> bool:
    try:
        _texts.decode(given)
    except msgspec.ValidationError:
        return False
    return True


def refuse_destinations(stated: dict[str, bytes]) -> None:
    for name in stated:
        row = chat.MEMBERS.get(name) or embeddings.MEMBERS.get(name)
        if row is None:
            continue
        if row.shares and row.money is Money.DESTINATION:
            raise Unacceptable(f"'{name}' names an object whose owner the gateway cannot know.", name)
        if row.money is Money.DESTINATION:
            raise Unacceptable(f"'{name}' decides where a call goes, which only the gateway does.", name)


def tier_of(stated: bytes | None) -> str:
    if stated is None:
        return ""
    tier: Any = _any.decode(stated)
    if not isinstance(tier, str):
        raise Unacceptable(
            "Invalid value for 'service_tier': expected a string.", "service_tier", "invalid_value"
        )
    return "" if tier in USUAL_TIERS else tier[:64]


__all__ = ["Caps", "Reading", "read_chat", "read_embeddings"]
