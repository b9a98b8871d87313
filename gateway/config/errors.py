"""Problems of a configuration, one line each: where, what, and how to correct it."""

from __future__ import annotations

import difflib
import typing
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from typing_extensions import override

if typing.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails


@dataclass(frozen=True)
class ConfigProblem:
    """`where` is a key's path, a variable's name or a file; `hint` may be empty."""

    where: str
    what: str
    hint: str = ""

    @override
    def __str__(self) -> str:
        return f"{self.where}: {self.what}" + (f" ({self.hint})" if self.hint else "")


class ConfigError(Exception):
    """The configuration cannot be used. The text has one line per problem."""

    def __init__(self, *problems: ConfigProblem | str) -> None:
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))


def path_text(location: Sequence[int | str]) -> str:
    """Return a location in dotted form: model_catalog[2].timeouts.connect."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def nearest(word: str, words: Iterable[str]) -> str:
    """Return a did-you-mean hint, or nothing if no word is similar."""
    close = difflib.get_close_matches(word, list(words), n=1, cutoff=0.6)
    return f'did you mean "{close[0]}"?' if close else ""


def section_at(model: type[BaseModel], location: Sequence[int | str]) -> type[BaseModel] | None:
    """Return the section at a location, or None if a value is there."""
    section: Any = model
    for part in location:
        if isinstance(part, int):
            continue
        if section is None or part not in (names := keys_of(section)):
            return None
        section = section_in(names[part].annotation)
    return typing.cast("type[BaseModel] | None", section)


def section_in(annotation: Any) -> type[BaseModel] | None:
    """Return the section inside a type such as `tuple[Row, ...]`, or None."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in typing.get_args(annotation) if (found := section_in(part))), None)


def keys_of(section: type[BaseModel]) -> dict[str, Any]:
    """Return a section's keys as the file spells them, without those the loader fills."""
    return {
        field.alias or name: field
        for name, field in section.model_fields.items()
        if not (isinstance(field.json_schema_extra, dict) and field.json_schema_extra.get("internal"))
    }


def explain(error: ValidationError, model: type[BaseModel]) -> list[ConfigProblem]:
    """Return every validation error of the model as a problem in plain words."""
    return [_problem(detail, model) for detail in error.errors(include_url=False)]


_SHAPES: Mapping[str, str] = {
    "missing": "is required",
    "model_type": "should be a mapping of keys",
    "model_attributes_type": "should be a mapping of keys",
    "dict_type": "should be a mapping of keys",
}
_LIST_HINT = "write it like [one, another]"
_NUMBER_HINT = "decimals have a point, and no unit or currency stands beside them, like 0.15"
# Pydantic's messages for these kinds describe its own types; ours state what is expected and how it is written.
_EXPECTED: Mapping[str, tuple[str, str]] = {
    **dict.fromkeys(("tuple_type", "list_type"), ("should be a list", _LIST_HINT)),
    **dict.fromkeys(
        ("int_type", "int_parsing", "int_from_float", "int_parsing_size"), ("should be a whole number", "")
    ),
    **dict.fromkeys(("bool_type", "bool_parsing"), ("should be true or false", "")),
    **dict.fromkeys(("decimal_type", "decimal_parsing"), ("should be a number", _NUMBER_HINT)),
    **dict.fromkeys(("float_type", "float_parsing", "finite_number"), ("should be a number", _NUMBER_HINT)),
    "path_type": ("should be the path of a directory", ""),
    "too_short": ("should have at least {min_length} entries", ""),
}
_DATE = ("should be a date", "write it like 2027-01-31 or 2027-01-31T18:00:00+01:00")


def _problem(detail: ErrorDetails, model: type[BaseModel]) -> ConfigProblem:
    location, kind, context = detail["loc"], detail["type"], detail.get("ctx") or {}
    where = path_text(location) or "configuration"
    written = detail["input"]
    if kind in _SHAPES:
        return ConfigProblem(where, _SHAPES[kind])
    if kind in {"extra_forbidden", "invalid_key"}:
        section = section_at(model, location[:-1])
        names = keys_of(section) if section else {}
        return ConfigProblem(
            where, "unknown key", nearest(str(location[-1]), names) or "known: " + ", ".join(names)
        )
    if kind == "config":
        return ConfigProblem(where, str(context["what"]), str(context.get("hint", "")))
    if kind == "literal_error":
        allowed = str(context["expected"])
        near = nearest(str(written), [word.strip("'") for word in allowed.replace(" or ", ", ").split(", ")])
        return ConfigProblem(where, f"{written!r} is not known here", f"{near} one of {allowed}".strip())
    if kind == "string_type" and isinstance(written, int | float):
        return ConfigProblem(where, "should be text", "put the value in quotes")
    what, hint = _expected(detail, has_mappings=section_at(model, location) is not None)
    return ConfigProblem(where, what, "; ".join(filter(None, (_shown(written, model, location), hint))))


def _expected(detail: ErrorDetails, *, has_mappings: bool) -> tuple[str, str]:
    """Return what is expected, and how it is written."""
    kind = detail["type"]
    found = _DATE if kind.startswith("datetime") else _EXPECTED.get(kind)
    if found is None:
        return _plain(detail["msg"]), ""
    hint = "" if has_mappings and found[1] == _LIST_HINT else found[1]
    return found[0].format(**detail.get("ctx") or {}), hint


def _plain(message: str) -> str:
    return (
        message.removeprefix("Value error, ")
        .replace("Input should", "should")
        .replace("String should", "should")
    )


def _shown(value: Any, model: type[BaseModel], location: Sequence[int | str]) -> str:
    """Return the written value, unless it may be a secret or is long."""
    section = section_at(model, location[:-1])
    field = keys_of(section).get(str(location[-1])) if section and location else None
    if field is None or not field.repr or not isinstance(value, str | int | float):
        return ""
    return f"it says {str(value)[:60]!r}"
