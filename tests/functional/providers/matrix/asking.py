"""Calls of the matrix: what the client got, what the vendor said and billed, and what the ledger has.

What a vendor said is made again from the request that reached it: the same request gets the same reply.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec

from providers.simulator.core.exchange import Request
from tests.functional.providers.matrix.rows import KEY, Up
from tests.support.books.ledger import Row, rows_of
from tests.support.servers.gateway import Gateway
from tests.support.vendors.apis import respond
from tests.support.vendors.vendors import Vendors


class Got(msgspec.Struct, frozen=True, kw_only=True):
    """A response as the client has it. `events`: of a stream, with [DONE] as text."""

    answer: httpx.Response
    call_id: str
    document: dict[str, Any] = {}
    events: list[Any] = []


class Asking:
    """One client of one gateway in front of all vendors."""

    def __init__(self, gateway: Gateway, vendors: Vendors, path: str) -> None:
        self.gateway, self.vendors, self._path = gateway, vendors, path
        self._bills: dict[str, tuple[str, int]] = {}  # by call: alias and cost

    async def post(self, alias: str, body: dict[str, Any]) -> Got:
        """Return the response; a stream as its events."""
        async with self.gateway.client(KEY) as client:
            answer = await client.post(self._path, json={"model": alias, **body})
        call_id = answer.headers["x-request-id"]
        if answer.headers["content-type"].startswith("text/event-stream"):
            return Got(answer=answer, call_id=call_id, events=events_of(answer.text))
        return Got(answer=answer, call_id=call_id, document=answer.json())

    def sent(self, up: Up) -> dict[str, Any]:
        """Return the last call that reached the upstream."""
        return self.vendors.calls(model=up.model, vendor=up.vendor)[-1]

    def said(self, up: Up) -> Said:
        """Return what the vendor says to the last request. Of Claude the gateway asks for streams only."""
        seen = self.sent(up)
        asked = Request(
            method=seen["method"],
            path=seen["path"].replace("streamRawPredict", "rawPredict"),
            query=seen["query"],
            headers=seen["headers"],
            body=seen["body"].replace(b'"stream":true', b'"stream":false'),
            account=f"{up.vendor}-{seen['account']}",
        )
        body = respond(up.vendor, asked).body
        assert isinstance(body, bytes)
        return Said(json.loads(body))

    def billed(self, up: Up, *got: Got) -> list[dict[str, Any]]:
        """Return the vendor's bills of these calls, its last ones. The ledger is compared at the end, for all."""
        bills = self.vendors.bills(model=up.model, vendor=up.vendor)[-len(got) :]
        assert [bill["notes"] for bill in bills] == [[]] * len(got)
        assert all(bill["finished"] for bill in bills)
        self._bills |= {
            each.call_id: (up.alias, bill["cost_nanousd"]) for each, bill in zip(got, bills, strict=True)
        }
        return bills

    async def check_ledger(self) -> None:
        """Insist that every call that was billed costs the same in the ledger, to the nano-USD."""
        rows = await rows_of(self.gateway, *self._bills)
        wrong = [
            (self._bills[row["id"]], row)
            for row in rows
            if (row["status"], row["estimated"], row["cost_nanousd"])
            != ("ok", False, self._bills[row["id"]][1])
        ]
        assert wrong == [], wrong

    async def rows(self, *got: Got) -> list[Row]:
        return await self.rows_by(*[each.call_id for each in got])

    async def rows_by(self, *call_ids: str) -> list[Row]:
        return await rows_of(self.gateway, *call_ids)


class Said:
    """All strings and objects of a vendor's document: what the client has must be among them."""

    def __init__(self, document: Any) -> None:
        leaves = list(_leaves(document))
        self.texts = [each for each in leaves if isinstance(each, str)]
        self.objects = [each for each in leaves if isinstance(each, dict)]

    def has(self, text: str) -> bool:
        return text in self.texts

    def has_arguments(self, text: str) -> bool:
        """Whether a tool is called with these arguments, as an object or as its JSON."""
        found = _json(text)
        return found is not None and (found in self.objects or found in map(_json, self.texts))


def _json(text: str) -> Any:
    """Return the object that a text is; None if it is no object."""
    try:
        return json.loads(text) if text[:1] == "{" else None
    except ValueError:
        return None


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield value
        for each in value.values():
            yield from _leaves(each)
    elif isinstance(value, list):
        for each in value:
            yield from _leaves(each)
    else:
        yield value


def events_of(text: str) -> list[Any]:
    """Return the data of server-sent events; [DONE] as text."""
    data = [line[6:] for line in text.splitlines() if line.startswith("data: ")]
    return [each if each == "[DONE]" else json.loads(each) for each in data]


def check_refused(got: Got, member: str) -> None:
    """Insist on a refusal by name: of the table, or of the capabilities that routing knows."""
    error = got.document["error"]
    assert got.answer.status_code == 400, got.document
    assert error["code"] in {"unsupported_parameter", "model_cannot"}, got.document
    assert member in error["param"] + error["message"], got.document
