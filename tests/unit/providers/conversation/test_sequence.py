"""Events of a reader in any order become the one order that writers rely on."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.conversation import sequence
from providers.conversation.events import (
    Annotated,
    BlockDelta,
    BlockEnded,
    BlockStarted,
    Ended,
    Event,
    Failed,
    Finished,
    FinishReason,
    Ping,
    Started,
    UsageReported,
)
from providers.conversation.folding import Message, fold
from providers.conversation.sequence import Sequence, TooManyBlocks
from providers.usage import Usage

STOP = Finished(FinishReason.STOP, "stop")


def ordered(*events: Event) -> list[Event]:
    taken = Sequence()
    return [each for event in events for each in taken.take(event)]


def check_order(events: list[Event]) -> None:
    """What docs of events.py promise."""
    assert not events or isinstance(events[0], Started | Ping | Failed)
    open_blocks: dict[int, int] = {}
    counts: dict[int, int] = {}
    finished: set[int] = set()
    is_over = has_begun = False
    for event in events:
        assert not is_over
        if isinstance(event, Started):
            assert not has_begun
            has_begun = True
        elif isinstance(event, Ended | Failed):
            assert isinstance(event, Failed) or (has_begun and not open_blocks)
            is_over = True
        elif isinstance(event, Finished):
            assert event.choice not in open_blocks
            assert event.choice not in finished
            finished.add(event.choice)
        elif isinstance(event, BlockStarted):
            assert has_begun
            assert event.choice not in open_blocks
            assert event.choice not in finished
            assert event.block == counts.get(event.choice, 0)
            counts[event.choice] = event.block + 1
            open_blocks[event.choice] = event.block
        elif isinstance(event, BlockDelta | Annotated):
            assert open_blocks[event.choice] == event.block
        elif isinstance(event, BlockEnded):
            assert open_blocks.pop(event.choice) == event.block


blocks = st.integers(0, 3)
choices = st.integers(0, 1)
any_event: st.SearchStrategy[Any] = st.one_of(
    st.just(Started("id")),
    st.builds(
        BlockStarted,
        block=blocks,
        kind=st.sampled_from(["text", "thinking", "tool"]),
        id=st.just("c"),
        choice=choices,
    ),
    st.builds(BlockDelta, block=blocks, text=st.sampled_from(["", "a", "bc"]), choice=choices),
    st.builds(BlockEnded, block=blocks, signature=st.sampled_from(["", "s"]), choice=choices),
    st.builds(Annotated, block=blocks, annotation=st.just({}), choice=choices),
    st.builds(Finished, st.sampled_from(FinishReason), choice=choices),
    st.just(UsageReported(Usage(input_tokens=1))),
    st.just(Ping()),
    st.just(Ended()),
    st.just(Failed(b"{}")),
)


@given(st.lists(any_event, max_size=40))
def test_any_events_are_put_into_the_promised_order(events):
    taken = ordered(*events)
    check_order(taken)
    message = Message()
    for event in taken:
        fold(message, event)  # a folded message takes every ordered sequence


def test_parallel_calls_are_queued_and_lose_nothing():
    taken = ordered(
        BlockStarted(5, "tool", "a", "f"),
        BlockDelta(5, "{"),
        BlockStarted(7, "tool", "b", "g"),
        BlockDelta(7, "[1"),
        BlockDelta(5, "}"),
        BlockEnded(5),
        BlockDelta(7, "]"),
        BlockEnded(7),
        STOP,
        Ended(),
    )
    message = Message()
    for event in taken:
        fold(message, event)
    check_order(taken)
    assert [(block.id, block.text) for block in message.choice().blocks] == [("a", "{}"), ("b", "[1]")]
    assert message.choice().reason is FinishReason.TOOL_CALLS


def test_blocks_that_were_never_ended_end_before_their_choice_does():
    taken = ordered(
        BlockStarted(0, "text"), BlockDelta(0, "a"), BlockStarted(1, "text"), BlockDelta(1, "b"), STOP
    )
    assert [type(event) for event in taken[-4:]] == [BlockStarted, BlockDelta, BlockEnded, Finished]


def test_text_without_content_is_no_block_and_a_signature_alone_is_one():
    assert ordered(BlockStarted(0, "text"), BlockDelta(0, ""), BlockEnded(0)) == [Started()]
    shown = ordered(BlockStarted(0, "thinking"), BlockEnded(0, "s"))[1:]
    assert shown == [BlockStarted(0, "thinking"), BlockEnded(0, "s")]


def test_a_call_without_arguments_is_a_block():
    assert ordered(BlockStarted(0, "tool", "a", "f"), BlockEnded(0))[1:] == [
        BlockStarted(0, "tool", "a", "f"),
        BlockEnded(0),
    ]


def test_a_length_is_not_replaced_by_a_call():
    cut = Finished(FinishReason.LENGTH)
    assert ordered(BlockStarted(0, "tool", "a", "f"), cut)[-1] == cut


def test_waiting_events_are_bounded(monkeypatch):
    monkeypatch.setattr(sequence, "MOST_WAITING", 3)
    taken = Sequence()
    taken.take(BlockStarted(0, "text"))
    for _ in range(3):
        taken.take(BlockStarted(1, "text"))
    with pytest.raises(TooManyBlocks):
        taken.take(BlockDelta(1, "a"))


def test_very_many_blocks_wait_for_one() -> None:
    events: list[Event] = [BlockStarted(0, "tool", "a", "f")]
    for block in range(1, 5_000):
        events += (BlockStarted(block, "text"), BlockDelta(block, "x"), BlockEnded(block))
    found = ordered(*events, BlockEnded(0), STOP)
    check_order(found)
    assert sum(isinstance(event, BlockStarted) for event in found) == 5_000
