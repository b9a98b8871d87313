"""Where servers put the usage of a call, and how the usage of several events is merged. Pure.

Sources: OpenAI (`usage` at the top level), Moonshot (`choices[0].usage`), Groq (`x_groq.usage`), Google
(`usageMetadata`), bridges to Anthropic (input in the first event, output in the last). The largest of each count is
kept: a later zero is no correction, and counts reported with every event only grow. The total is a sum, not a count:
the last one is kept, so that an early event's estimate does not pass for tokens missing from the other counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from providers.errors.messages import LONGEST
from providers.json_scan.documents import QUICK, documents_in
from providers.json_scan.lenient import read_deep
from providers.json_scan.limits import NO_LIMIT, Limits, NotJson, OverLimit
from providers.json_scan.outline import Outline, outline_of
from providers.json_scan.repaired import mended
from providers.reported_usage.reading import UsageJson, count_of, in_tier, usage_of
from providers.requests.layout import MOST_TWINS
from providers.usage import Usage

_FIELDS: Final = UsageJson.__struct_fields__
_OTHERS: Final = tuple(
    name for name in _FIELDS if name not in {"prompt_tokens", "completion_tokens", "total_tokens"}
)
_DEPTH: Final = 3  # of details, their parts and the lifetimes of these; no server nests counts deeper
_CONTENT: Final = ("delta", "message")  # of a choice; below these there is only model output
_HOLDERS: Final = frozenset({"message", "response", "data", "result", "meta"})  # top level, and any `x_groq`
_GOOGLE: Final = ("usageMetadata", "usage_metadata")
_NAME: Final = b'"usage"'
_QUICK: Final = Limits(
    nesting=512, values=5_000, messages=NO_LIMIT, parts=NO_LIMIT, inputs=NO_LIMIT, members=NO_LIMIT, runs=64
)
_any = msgspec.json.Decoder()


class _Billed(msgspec.Struct):
    """All that is read of an unusable response."""

    usage: UsageJson | None = None
    service_tier: Any = None


_billed = msgspec.json.Decoder(_Billed)


def usage_of_twins(raw: bytes, outline: Outline | None = None) -> UsageJson | None:
    """Return the merged value of duplicate top-level `usage` members; None where there is one at most.

    JSON parsers take only the last one, which may be the null of another event that was written into this one.
    Without an outline only a document of few values is scanned; of very many duplicates only the last ones are read.
    """
    if raw.count(_NAME) < 2:  # noqa: PLR2004 - duplicates
        return None
    text = raw if outline is not None else mended(raw) or raw
    try:
        known = outline or outline_of(text, _QUICK)
    except (OverLimit, NotJson):
        return None
    begin, twins = known.start, []
    for name, end in zip(known.names, known.ends, strict=True):
        if name == "usage":
            twins.append(b"{%b}" % text[begin:end].lstrip(b", \t\r\n"))
        begin = end
    if len(twins) < 2:  # noqa: PLR2004
        return None
    found: UsageJson | None = None
    for each in twins[-MOST_TWINS:]:
        document = read_deep(each)
        if isinstance(document, dict) and isinstance(document["usage"], dict):
            found = merged(found, msgspec.convert(document["usage"], UsageJson))
    return found


def usage_elsewhere(document: Any) -> UsageJson | None:
    """Return the usage that a document has elsewhere than in its top-level `usage`."""
    if not isinstance(document, dict):
        return None
    found: UsageJson | None = None
    for each in _holders(document):
        if isinstance(each.get("usage"), dict):
            found = merged(found, msgspec.convert(each["usage"], UsageJson))
    for name in _GOOGLE:
        if isinstance(document.get(name), dict):
            found = merged(found, _of_google(document[name]))
    return found


def _holders(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the objects that may hold a usage: top-level members, choices, and their content."""
    held = [value for name, value in document.items() if isinstance(value, dict) and may_hold(name)]
    choices = document.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, dict):
            held += [choice, *[choice[name] for name in _CONTENT if isinstance(choice.get(name), dict)]]
    return held


def may_hold(name: str) -> bool:
    """Whether a top-level member of a response may hold the usage."""
    return name in _HOLDERS or name in _GOOGLE or name.startswith("x_")


def _of_google(reported: dict[str, Any]) -> UsageJson:
    """Google counts thoughts outside the candidates' tokens, and the input of tools outside the prompt's."""
    thoughts = count_of(reported.get("thoughtsTokenCount")) or 0
    prompt = count_of(reported.get("promptTokenCount"))
    written = count_of(reported.get("candidatesTokenCount"))
    return UsageJson(
        prompt_tokens=None
        if prompt is None
        else prompt + (count_of(reported.get("toolUsePromptTokenCount")) or 0),
        completion_tokens=None if written is None and not thoughts else (written or 0) + thoughts,
        total_tokens=reported.get("totalTokenCount"),
        cached_tokens=reported.get("cachedContentTokenCount"),
        completion_tokens_details={"reasoning_tokens": thoughts},
    )


def merged(known: UsageJson | None, given: UsageJson) -> UsageJson:
    """Return both merged: the larger one of each count, the later one of the totals."""
    if known is None or _only_grew(known, given):
        return given
    members = {name: _larger(getattr(known, name), getattr(given, name)) for name in _FIELDS}
    if (count_of(given.total_tokens) or 0) > 0:
        members["total_tokens"] = given.total_tokens
    return UsageJson(**members)


def _only_grew(known: UsageJson, given: UsageJson) -> bool:
    """Whether the later one covers the earlier one, as from servers that report it with every event."""
    before, now = known.completion_tokens, given.completion_tokens
    if type(before) is not int or type(now) is not int or now < before:
        return False
    if known.prompt_tokens != given.prompt_tokens or type(given.prompt_tokens) is not int:
        return False
    total = known.total_tokens
    if total is not None and (
        type(total) is not int or type(given.total_tokens) is not int or given.total_tokens < total
    ):
        return False
    return all(getattr(known, name) in (None, getattr(given, name)) for name in _OTHERS)


def _larger(known: Any, given: Any, depth: int = _DEPTH) -> Any:
    if known is None or given is None:
        return given if known is None else known
    if depth and isinstance(known, Mapping) and isinstance(given, Mapping):
        return {name: _larger(known.get(name), given.get(name), depth - 1) for name in {**known, **given}}
    before, now = count_of(known), count_of(given)
    if before is None or now is None or now < 0:  # an invalid value does not override a valid one
        return known
    return given if now >= before else known


def states_output(given: UsageJson) -> bool:
    """Whether it states the output: a usage without output is not final."""
    usage = usage_of(given)
    return usage is not None and usage.total_output_tokens > 0


def usage_in(raw: bytes, *, has_output: bool = True, most: int = LONGEST) -> Usage | None:
    """Return the usage that an otherwise unusable response reports: a document of another kind, several of them, a
    stream. None if it reports none, or if more than `most` bytes would have to be searched.

    `has_output`: responses of this kind have output, so one without output has not reported the usage.
    """
    reported, tier = _read(raw, most)
    usage = usage_of(reported) if reported is not None else None
    if usage is None or (usage.is_lacking and (has_output or not usage.total_input_tokens)):
        return None
    return in_tier(usage, tier)


def _read(raw: bytes, most: int) -> tuple[UsageJson | None, Any]:
    try:
        document = _billed.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        document = _Billed()
    reported, tier = document.usage, document.service_tier
    reported = usage_of_twins(raw) or reported
    if b"sage" not in raw or len(raw) > most or (reported is not None and states_output(reported)):
        return reported, tier
    for each in _documents(raw, most):
        if isinstance(each.get("usage"), dict):
            reported = merged(reported, msgspec.convert(each["usage"], UsageJson))
        if (beside := usage_elsewhere(each)) is not None:
            reported = merged(reported, beside)
        tier = each.get("service_tier", tier)
    return reported, tier


def _documents(raw: bytes, most: int) -> Iterable[dict[str, Any]]:
    try:
        document = _any.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return documents_in(raw) if len(raw) <= QUICK or most > LONGEST else ()
    return [
        each for each in (document if isinstance(document, list) else [document]) if isinstance(each, dict)
    ]


def usage_in_error(body: bytes | None) -> Usage | None:
    """Return the usage that an HTTP error reports: an error without one is taken to have used nothing."""
    is_short = body is not None and len(body) <= LONGEST
    return usage_in(body) if body and is_short and b"sage" in body else None
