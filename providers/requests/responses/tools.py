"""Which tools of a Responses request the provider runs itself, and bills separately. Pure."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from providers.requests.account_objects import refuse_objects
from providers.requests.features import MOST_ODD_TOOLS, MOST_UNKNOWN
from providers.requests.money_classes import Unacceptable
from providers.requests.responses.items import StateName
from providers.requests.responses.members import OWN_TOOLS
from providers.requests.spelling import check_objects, strictly

_CHOICES: Final = frozenset({"auto", "none", "required"})
_CHOSEN: Final = OWN_TOOLS | {"shell"}
_ABOUT: Final = frozenset(
    {
        *(
            "type",
            "name",
            "description",
            "parameters",
            "strict",
            "format",
            "defer_loading",
            "allowed_callers",
        ),
        *("output_schema", "async", "display_height", "display_width", "environment"),
    }
)
_tools = msgspec.json.Decoder(list[dict[str, msgspec.Raw]] | None)


class Tools:
    """`features` need a price of their own; `unknown` are members that are not in the table."""

    def __init__(self) -> None:
        self.features: list[str] = []
        self.unknown: list[str] = []
        self.state: list[StateName] = []
        self.has_own = False

    def add_all(self, raw: bytes, where: str) -> None:
        """Raises Unacceptable."""
        try:
            tools = _tools.decode(raw) or []
        except msgspec.ValidationError:
            self._note_unknown(where)
            return
        if tools:
            check_objects(raw, tools)
        for place, tool in enumerate(tools):
            self._add(tool, f"{where}[{place}]")

    def add_choice(self, choice: Any) -> None:
        """Add what `tool_choice` requests beyond the given tools."""
        if choice is None or (isinstance(choice, str) and choice in _CHOICES):
            return
        kind = choice.get("type") if isinstance(choice, dict) else None
        if kind == "allowed_tools":
            tools = choice.get("tools")
            for tool in tools if isinstance(tools, list) else [None]:
                self.add_choice(tool if isinstance(tool, dict) else {})
        elif not isinstance(kind, str):
            self._note_unknown("tool_choice")
        elif kind not in _CHOSEN:
            self._hosted(kind)

    def _add(self, tool: dict[str, msgspec.Raw], where: str) -> None:
        kind = strictly(bytes(tool["type"])) if "type" in tool else None
        if not isinstance(kind, str):
            self._note_unknown(where)
            return
        self.has_own = True
        if kind in OWN_TOOLS:
            for name in tool.keys() - _ABOUT:
                value = strictly(bytes(tool[name]))
                if value is not None:
                    refuse_objects({name: value}, f"{where}.{name[:64]}")
                    self._note_unknown(f"{where}.{name[:64]}")
        elif kind == "namespace":
            self.add_all(bytes(tool.get("tools", b"null")), f"{where}.tools")
        else:
            given = {name: strictly(bytes(value)) for name, value in tool.items()}
            if not _is_clients(kind, given):
                self._read_hosted(kind, given, where)

    def _read_hosted(self, kind: str, tool: dict[str, Any], where: str) -> None:
        container = tool.get("container")
        if isinstance(container, str) and container:
            self.state.append(StateName(f"{where}.container", container, True))
            tool = {name: value for name, value in tool.items() if name != "container"}
        refuse_objects(tool, where)
        self._hosted(kind)

    def _hosted(self, kind: str) -> None:
        name = "web_search" if kind.startswith("web_search") else kind[:64]
        if name not in self.features:
            if len(self.features) >= MOST_ODD_TOOLS:
                raise Unacceptable("Your request has too many tools.", "tools", "too_many_members")
            self.features.append(name)

    def _note_unknown(self, where: str) -> None:
        if len(self.unknown) < MOST_UNKNOWN:
            self.unknown.append(where)


def _is_clients(kind: str, tool: dict[str, Any]) -> bool:
    """Whether the client runs it: a search among its own tools, or a shell on its own machine."""
    if kind == "tool_search":
        return tool.get("execution") == "client"
    environment = tool.get("environment")
    is_local = not environment or (isinstance(environment, dict) and environment.get("type") == "local")
    return kind == "shell" and is_local
