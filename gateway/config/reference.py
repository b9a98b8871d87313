"""The reference of every key, generated from the model. Only a command and a test use it."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from types import NoneType
from typing import Any

from gateway.config.errors import keys_of, section_in
from gateway.config.fields import Kind
from gateway.config.model import Config
from gateway.config.no_effect import unbuilt
from gateway.config.sources import PREFIX, SHORTER_NAMES
from gateway.values.limits import UNLIMITED

if typing.TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

BEGIN = "<!-- reference: written by manage.py config_reference --write -->"
END = "<!-- end of the reference -->"
_HEAD = ("| Key | Type | Default | What it does |", "|---|---|---|---|")
_IDLE = "**No effect yet.** "
# In the order in which a new operator needs them; the keys at the top level come first of all.
GROUPS = (
    ("The server", ("server",)),
    ("Models and providers", ("model_catalog", "providers", "health")),
    ("The first tenants and keys", ("bootstrap",)),
    ("Limits and budgets", ("rate_limits", "budgets")),
    ("Database and Redis", ("database", "redis")),
    ("Sign-in and secrets", ("admin", "security")),
    ("Observability and reports", ("observability", "reporting")),
    ("Streams, ledger, retention", ("streams", "metering", "idempotency", "retention")),
    ("Not built yet", ("files", "audio", "batches")),
)
_NAMES = {
    bool: "true or false",
    int: "whole number",
    float: "number",
    str: "text",
    Decimal: "amount",
    Path: "path",
    datetime: "date and time",
}
_UNITS = ((86400.0, "d"), (3600.0, "h"), (60.0, "m"), (1.0, "s"))


def reference() -> str:
    """Return the reference as Markdown: an index of the sections, then each with its keys."""
    keys = keys_of(Config)
    index, sections = ["| For | Sections |", "|---|---|"], list(_table(Config, ()))
    titles = [_title(())]
    for subject, names in GROUPS:
        part = [line for name in names for line in _inner(name, keys[name], ())]
        titles += [line.removeprefix("### ") for line in part if line.startswith("### ")]
        links = [f"[{title}](#{_anchor(title)})" for title in _outermost(titles)]
        index.append(f"| {subject} | {' · '.join(links)} |")
        sections, titles = sections + part, []
    return "\n".join([BEGIN, "", *index, "", *sections, END])


def _outermost(titles: list[str]) -> list[str]:
    """Return the titles of sections that are not inside another one with a title."""
    names = {title.strip("`") for title in titles}
    return [title for title in titles if not names & set(_above(title.strip("`")))]


def _above(name: str) -> Iterator[str]:
    while "." in name:
        name = name.rpartition(".")[0]
        yield name


def _anchor(title: str) -> str:
    """Return the anchor of a heading, in GitHub's form."""
    kept = "".join(mark for mark in title.lower() if mark.isalnum() or mark in "-_ ")
    return kept.replace(" ", "-")


def rewritten(page: str) -> str:
    """Return a page with its reference replaced by the current one."""
    before, _, rest = page.partition(BEGIN)
    return before + reference() + rest.partition(END)[2]


def _section(section: type[BaseModel], path: tuple[str, ...]) -> Iterator[str]:
    """Yield a heading and a table of the section's own keys, then the sections in it."""
    yield from _table(section, path)
    for name, field in keys_of(section).items():
        yield from _inner(name, field, path)


def _table(section: type[BaseModel], path: tuple[str, ...]) -> Iterator[str]:
    """Yield a heading and a row for each key that is not a section; nothing if all are."""
    keys = keys_of(section).items()
    plain = [(name, field) for name, field in keys if _is_list(field) or not section_in(field.annotation)]
    if plain:
        yield from [f"### {_title(path)}", "", *_HEAD]
        yield from (_row(name, field, path) for name, field in plain)
        yield ""


def _inner(name: str, field: FieldInfo, path: tuple[str, ...]) -> Iterator[str]:
    """Yield the section that a key holds; nothing for a plain key."""
    if found := section_in(field.annotation):
        yield from _section(found, (*path, name + "[]" if _is_list(field) else name))


def _title(path: tuple[str, ...]) -> str:
    return f"`{'.'.join(path)}`" if path else "Top level"


def _row(name: str, field: FieldInfo, path: tuple[str, ...]) -> str:
    cells = [f"`{name}`", _kind(field), _default(field), _description(name, field, path)]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _description(name: str, field: FieldInfo, path: tuple[str, ...]) -> str:
    """Return what a key does. Its variable follows from its path; only a shorter name is listed."""
    idle = _IDLE if unbuilt(".".join((*path, name))) else ""
    variable = PREFIX + "_".join((*path, name)).upper()
    shorter = [f"`{short}` for short." for short, long in SHORTER_NAMES.items() if long == variable]
    return " ".join([f"{idle}{field.description}", *shorter])


def _is_list(field: FieldInfo) -> bool:
    return "tuple" in str(field.annotation)


def _kind(field: FieldInfo) -> str:
    kind = next((mark.name for mark in field.metadata if isinstance(mark, Kind)), None) or _kind_of(
        field.annotation
    )
    return kind if field.repr else f"{kind}, secret"


def _kind_of(annotation: Any) -> str:
    arguments = typing.get_args(annotation)
    origin = typing.get_origin(annotation)
    if hasattr(annotation, "__metadata__"):
        marks = [mark.name for mark in annotation.__metadata__ if isinstance(mark, Kind)]
        return marks[0] if marks else _kind_of(arguments[0])
    if origin is tuple:
        return _list_kind(arguments[0])
    if origin is typing.Literal:
        return ", ".join(f"`{word}`" for word in arguments if word)
    if arguments:
        return _kind_of(next(part for part in arguments if part is not NoneType))
    return _NAMES.get(annotation, "mapping")


def _list_kind(annotation: Any) -> str:
    if section_in(annotation):
        return "list of mappings, see below"
    inside = _kind_of(annotation)
    return f"list of {inside}" if "`" in inside else f"list of {inside}s"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.default
    if value is None or value in ("", (), {}):
        return ""
    return f"`{_written(value, _kind(field))}`"


def _written(value: Any, kind: str) -> str:
    """Return a default as it is written in the file."""
    if value == UNLIMITED:
        return "unlimited"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ", ".join(value)
    if isinstance(value, Path):
        return f"./{value}"
    return _duration(value) if kind == "duration" else str(value)


def _duration(seconds: float) -> str:
    if not seconds:
        return "0s"
    size, unit = next((size, unit) for size, unit in _UNITS if seconds % size == 0)
    return f"{seconds / size:g}{unit}"
