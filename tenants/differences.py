"""What an audit row changed, field by field, in the words of the forms. Pure."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from gateway.values.money import in_usd

if TYPE_CHECKING:
    from django.db.models import Model

NOTHING = "nothing"
DONE = {  # what an action of the audit trail did
    "create": "Created",
    "update": "Changed",
    "delete": "Deleted",
    "revoke": "Revoked",
    "rotate": "Rotated",
    "password": "Changed the password",
    "suspend": "Suspended",
    "resume": "Resumed",
    "settle": "Settled",
}
LONGEST = 300
AMOUNT = "_nanousd"  # the end of the name of a field with money
INTERNAL = frozenset({"id", "edited", "origin", "seal_id", "pepper_id", "version"})  # internal columns
_INSTANT = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.\d+)?Z")
_EMPTY: tuple[Any, ...] = (None, "", [], {})


class Difference(NamedTuple):
    """One field, with its old and new value as text."""

    field: str
    before: str
    after: str


def differences(
    model: type[Model] | None, before: dict[str, Any] | None, after: dict[str, Any] | None
) -> list[Difference]:
    """Return the differing fields. For a created or deleted row: every field that is not empty."""
    old, new = before or {}, after or {}
    found = []
    for name in dict.fromkeys((*new, *old)):
        was, is_now = old.get(name), new.get(name)
        if name not in INTERNAL and was != is_now and not (was in _EMPTY and is_now in _EMPTY):
            found.append(
                Difference(_label(model, name), _shown(model, name, was), _shown(model, name, is_now))
            )
    return found


def _label(model: type[Model] | None, name: str) -> str:
    fields = {} if model is None else {field.attname: field for field in model._meta.concrete_fields}  # noqa: SLF001 - Django's documented model API
    words = str(fields[name].verbose_name) if name in fields else name.replace("_", " ")
    number = " ID" if name in fields and fields[name].is_relation else ""
    return f"{words[:1].upper()}{words[1:]}{number}"


def _shown(model: type[Model] | None, name: str, value: Any) -> str:
    if value in _EMPTY:
        return NOTHING
    in_words = getattr(model, "fact_in_words", None)
    text = in_words(name, value) if in_words is not None else None
    if text is not None:
        return str(text)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name.endswith(AMOUNT) and isinstance(value, int):
        return f"{in_usd(value):f}"
    if isinstance(value, str) and (found := _INSTANT.fullmatch(value)):
        return f"{found[1]} {found[2]} UTC"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
