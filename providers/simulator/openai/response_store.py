"""Stored responses of the simulator: bounded by number and bytes, the oldest are dropped first."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import msgspec

from providers.simulator.core.errors import SimulatorError

MOST_RESPONSES = 10_000
MOST_BYTES = 64 * 1024 * 1024
_MOST_CHAINED = 2_000


class StoredResponse(msgspec.Struct, frozen=True):
    """`document` is the finished response. `items`: the input of this turn; `previous`: the id before it, or ""."""

    document: dict[str, Any]
    items: list[dict[str, Any]]
    previous: str
    size: int


class ResponseStore:
    """Responses by account and id."""

    def __init__(self, most: int = MOST_RESPONSES, most_bytes: int = MOST_BYTES) -> None:
        self._most, self._most_bytes, self._bytes = most, most_bytes, 0
        self._kept: OrderedDict[tuple[str, str], StoredResponse] = OrderedDict()

    def keep(
        self, account: str, document: dict[str, Any], items: list[dict[str, Any]], previous: str
    ) -> None:
        size = len(msgspec.json.encode([document, items]))
        self.drop(account, document["id"])
        self._kept[account, document["id"]] = StoredResponse(document, items, previous, size)
        self._bytes += size
        while len(self._kept) > self._most or (self._bytes > self._most_bytes and len(self._kept) > 1):
            _, dropped = self._kept.popitem(last=False)
            self._bytes -= dropped.size

    def get(self, account: str, response_id: str) -> StoredResponse:
        """Raises SimulatorError."""
        found = self._kept.get((account, response_id))
        if found is None:
            raise SimulatorError(f"Response with id '{response_id}' not found.", status=404)
        return found

    def drop(self, account: str, response_id: str) -> bool:
        dropped = self._kept.pop((account, response_id), None)
        self._bytes -= 0 if dropped is None else dropped.size
        return dropped is not None

    def context(self, account: str, response_id: str | None) -> list[dict[str, Any]]:
        """Return all items up to and with a response, oldest first. Raises SimulatorError."""
        turns: list[list[dict[str, Any]]] = []
        while response_id:
            found = self._kept.get((account, response_id))
            if found is None or len(turns) > _MOST_CHAINED:
                raise SimulatorError(
                    f"Previous response with id '{response_id}' not found.",
                    param="previous_response_id",
                    code="previous_response_not_found",
                )
            turns.append([*found.items, *found.document["output"]])
            response_id = found.previous
        return [item for turn in reversed(turns) for item in turn]


STORED = ResponseStore()
