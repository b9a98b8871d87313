"""JSON of a row as colored text. The colors are classes of our own style sheet: inline styles are forbidden."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

STYLES = "gateway/json.css"
_STRING, _WORD, _NUMBER = (
    r'"(?:\\.|[^"\\])*"',
    r"\b(?:true|false|null)\b",
    r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?",
)
_TOKEN = re.compile(f"(?P<name>{_STRING}(?=:))|(?P<text>{_STRING})|(?P<word>{_WORD})|(?P<number>{_NUMBER})")


def colored(value: Any) -> SafeString:
    """Return markup for any JSON value. Linear in its size; its content is escaped."""
    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    return format_html(
        '<pre class="json">{}</pre>', format_html_join("", "{}", ((p,) for p in _pieces(text)))
    )


def json_display(field: str) -> Callable[[Any, Model], SafeString]:
    """Return a method of an admin page that shows this field."""

    @admin.display(description=field.replace("_", " "))
    def display(_: Any, row: Model) -> SafeString:
        return colored(getattr(row, field))

    return display


def _pieces(text: str) -> Iterator[str]:
    end = 0
    for found in _TOKEN.finditer(text):
        yield text[end : found.start()]
        yield format_html('<span class="json-{}">{}</span>', found.lastgroup, found[0])
        end = found.end()
    yield text[end:]
