"""The order of a stream of Responses: what may come after what."""

from __future__ import annotations

import json
from typing import Any

Event = dict[str, Any]


def parsed(raw: bytes) -> list[dict[str, Any]]:
    """Return the events of a stream; each has its own name and one line of data."""
    found = []
    for event in raw.decode().split("\n\n")[:-1]:
        head, data = event.split("\n")  # one line each
        document = json.loads(data.removeprefix("data: "))
        assert head == f"event: {document['type']}"
        found.append(document)
    return found


class Order:
    """What may come after what: an item between items, a part between parts, deltas within them, one end."""

    def __init__(self) -> None:
        self.state, self.texts = "new", ""
        self.items = self.contents = 0
        self.item: dict[str, Any] = {}

    def take(self, event: Event) -> None:
        getattr(self, event["type"].replace("response.", "").replace(".", "_"))(event)

    def created(self, _: Event) -> None:
        assert self.state == "new"
        self.state = "created"

    def in_progress(self, _: Event) -> None:
        assert self.state == "created"
        self.state = "open"

    def output_item_added(self, event: Event) -> None:
        assert self.state == "open"
        assert event["output_index"] == self.items
        self.state, self.item, self.contents = "item", event["item"], 0

    def output_item_done(self, event: Event) -> None:
        assert self.state == "item"
        assert event["item"]["id"] == self.item["id"]
        self.items, self.state = self.items + 1, "open"

    def content_part_added(self, event: Event) -> None:
        self.check(event, "item")
        assert event["content_index"] == self.contents
        self.state, self.texts = "part", ""

    def content_part_done(self, event: Event) -> None:
        self.check(event, "done")
        self.state, self.contents = "item", self.contents + 1

    def reasoning_summary_part_added(self, event: Event) -> None:
        self.check(event, "item")
        self.state, self.texts = "part", ""

    def reasoning_summary_part_done(self, event: Event) -> None:
        self.check(event, "done")
        self.state = "item"

    def check(self, event: Event, state: str) -> None:
        assert self.state == state
        assert (event["item_id"], event["output_index"]) == (self.item["id"], self.items)

    def delta(self, event: Event) -> None:
        self.check(event, "part")
        self.texts += event["delta"]

    output_text_delta = refusal_delta = reasoning_summary_text_delta = delta

    def text_done(self, event: Event) -> None:
        self.check(event, "part")
        assert event.get("text", event.get("refusal")) == self.texts
        self.state = "done"

    output_text_done = refusal_done = reasoning_summary_text_done = text_done

    def call_delta(self, event: Event) -> None:
        self.check(event, "item")

    def call_done(self, event: Event) -> None:
        self.check(event, "item")

    function_call_arguments_delta = custom_tool_call_input_delta = call_delta
    function_call_arguments_done = custom_tool_call_input_done = call_done

    def end(self, event: Event) -> None:
        assert self.state == "open"
        assert len(event["response"]["output"]) == self.items
        self.state = "over"

    completed = incomplete = end
