"""Tells thinking from text where a server leaves the tags of its model in the text: `<think>...</think>`."""

from __future__ import annotations

from typing import Final

_OPEN: Final = "<think>"
_CLOSE: Final = "</think>"
_MOST_BLANKS: Final = 64  # before the first tag


class ThinkTags:
    """For one choice. Only what a text begins with is thinking; later tags are text."""

    __slots__ = ("_held", "_state")

    def __init__(self) -> None:
        self._state = "before"  # the text has not begun | "thinking" | "after" it, before the text | "text"
        self._held = ""  # what may be the beginning of a tag, or blanks before the text

    @property
    def is_text(self) -> bool:
        """Whether all that follows is text."""
        return self._state == "text"

    def take(self, text: str) -> tuple[str, str]:
        """Return the thinking and the text in more of a content."""
        if self._state == "text":
            return "", text
        text, self._held = self._held + text, ""
        if self._state == "before":
            begun = text.lstrip()
            if begun.startswith(_OPEN):
                self._state, text = "thinking", begun[len(_OPEN) :].lstrip("\n")
            elif _OPEN.startswith(begun) and len(text) <= _MOST_BLANKS:
                self._held = text
                return "", ""
            else:
                self._state = "text"
                return "", text
        thought = ""
        if self._state == "thinking":
            thought, found, text = text.partition(_CLOSE)
            if not found:
                return self._without_tag(thought), ""
            self._state = "after"
        text = text.lstrip()
        self._state = "text" if text else "after"
        return thought, text

    def end(self) -> tuple[str, str]:
        """Return what is left at the end of the content."""
        held, self._held = self._held, ""
        return (held, "") if self._state == "thinking" else ("", held)

    def _without_tag(self, thought: str) -> str:
        """Hold back what may be the beginning of the closing tag."""
        for size in range(min(len(_CLOSE) - 1, len(thought)), 0, -1):
            if _CLOSE.startswith(thought[-size:]):
                self._held = thought[-size:]
                return thought[:-size]
        return thought
