"""B13, B14, B17, B18 of real providers: which ends make a stream whole, and every error in it is found."""

from __future__ import annotations

import json

import pytest

from providers.dialects.base import Shape
from providers.dialects.openai.passthrough import OpenAIToOpenAI
from providers.errors.exceptions import ErrorWith200
from providers.framing.malformed import MalformedStream
from providers.json_scan.limits import MalformedAnswer
from tests.support.provider.mutated_streams import ERRORS

DONE = b"data: [DONE]\n\n"
USED = {"prompt_tokens": 9, "completion_tokens": 5}


def event(*choices, **more):
    return b"data: " + json.dumps({"id": "x", "choices": list(choices), **more}).encode() + b"\n\n"


def said(text="word", index=0, **choice):
    return {"index": index, "delta": {"content": text}, **choice}


def read(*blocks, choices=1):
    stream = OpenAIToOpenAI(
        Shape(alias="chat", path="chat/completions", stream=True, choices=choices)
    ).stream()
    out = b""
    try:
        for block in blocks:
            out += stream.feed(block)
        out += stream.end()
    except MalformedStream as error:
        stream.failure = error.body or b"{}"
    return stream, out


@pytest.mark.parametrize("reason", ["", None, "null", "None", "none", False, 0, {}, []])
def test_an_empty_reason_ends_no_choice(reason):
    stream, _ = read(event(said(finish_reason=reason)), event(said(finish_reason=reason)))
    assert (stream.done, stream.started) == (False, True)
    stream, _ = read(event(said(finish_reason=reason)), DONE)
    assert stream.done


def test_an_empty_reason_of_the_role_is_no_content():
    stream, _ = read(event({"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": ""}))
    assert (stream.started, stream.done) == (False, False)


@pytest.mark.parametrize(
    "reason", ["stop", "length", "tool_calls", "content_filter", "eos", 1, {"type": "stop"}, True]
)
def test_any_other_reason_ends_its_choice(reason):
    assert read(event(said(finish_reason=reason)))[0].done


BROKEN_OFF = [
    "error",
    "ERROR",
    "network_error",
    "failed",
    "Failure",
    "canceled",
    "aborted",
    "server_error",
    "internal_error",
    "insufficient_system_resource",
    "abort",
    "cancelled",
    "timeout",
]


@pytest.mark.parametrize("reason", BROKEN_OFF)
def test_a_choice_that_its_server_broke_off_is_not_whole(reason):
    """DeepSeek, Zhipu, vLLM, SGLang and TensorRT-LLM end a choice so that they could not finish."""
    stop = event(said("", finish_reason=reason), usage=USED)
    stream, out = read(stop, DONE)
    assert (stream.started, stream.done, out) == (False, False, b"")
    assert ErrorWith200(stream.failure).retryable
    stream, out = read(event(said()), stop, DONE)
    assert (stream.done, stream.failure is not None, out) == (False, True, event(said()))
    whole = {"choices": [{"index": 0, "message": {"content": "a"}, "finish_reason": reason}], "usage": USED}
    with pytest.raises(MalformedAnswer) as fault:
        OpenAIToOpenAI(Shape(alias="chat", path="chat/completions")).response(json.dumps(whole).encode())
    assert fault.value.usage is not None
    assert reason.encode() in (fault.value.body or b"")


@pytest.mark.parametrize(
    ("ends", "is_done"),
    [
        ((0,), False),
        ((0, 1), False),
        ((0, 1, 2), True),
        ((2, 1, 0), True),
        ((0, 0, 0), False),
        ((), False),
    ],
)
def test_all_choices_that_were_asked_for_must_end(ends, is_done):
    words = [event(said(index=at)) for at in sorted({0, *ends})]
    stops = [event(said("", at, finish_reason="stop")) for at in ends]
    assert read(*words, *stops, choices=3)[0].done is is_done
    assert read(*words, *stops, DONE, choices=3)[0].done


@pytest.mark.parametrize("before", [(), (event(),), (event(usage=USED),), (b": ping\n\n", b"data: {}\n\n")])
def test_an_end_without_any_choice_is_a_failure(before):
    stream, _ = read(*before, DONE)
    assert (stream.done, stream.started) == (False, False)
    assert stream.failure is not None
    if before == (event(usage=USED),):
        assert stream.usage is not None


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n", b"\r\r"])
def test_every_shape_of_an_error_is_one(error, end):
    raw = error.encode().replace(b"\n", end[: len(end) // 2]) + end
    stream, out = read(raw, DONE)
    assert (stream.done, stream.started, out) == (False, False, b"")
    assert stream.failure is not None
    stream, out = read(event(said()), raw, event(said("more")), DONE)
    assert (stream.done, out) == (False, event(said()))
    assert stream.failure is not None
    stream, out = read(event(said()) + raw + DONE)
    assert (stream.done, stream.failure is not None, out) == (False, True, event(said()))


FURTHER = [
    'data: {"error":"boom"}',
    'data: {"errors":[{"message":"boom"}]}',
    'data: {"message":["boom"]}',
    'data: {"detail":[{"type":"missing","msg":"boom"}]}',
    'data: {"success":false,"code":500,"msg":"boom"}',
    'data: {"status":"failed","x":1}',
    'data: {"type":"error","error":{"type":"overloaded_error"}}',
    'data: {"choices":[],"error_code":7}',
    'data: {"choices":null,"message":"boom"}',
    'data: {"choices":[{"index":0,"delta":{},"error":{"message":"boom"}}]}',
    'data: {"choices":[{"index":null,"delta":[],"finish_reason":"error"}]}',
    'data: {"error":{"message":"\\ud83d"}}',
    "event: error",
    "event: error\ndata:",
    "event:error\ndata: boom",
    "error: boom",
    'error:{"code":500}',
    ': comment\n{"error":{"message":"boom"}}',
    '{\n  "error": {\n    "message": "boom"\n  }\n}',
    '[{"error":{"message":"boom"}}]',
    'data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}\n{"error":{"message":"boom"}}',
]


@pytest.mark.parametrize("error", FURTHER)
def test_further_shapes_of_errors(error):
    stream, _ = read(error.encode() + b"\n\n", DONE)
    assert not stream.done
    assert stream.failure is not None
    assert ErrorWith200(stream.failure).passthrough is None  # another deployment is asked


NO_ERRORS = [
    'data: {"type":"ping"}',
    'data: {"choices":[],"message":{"role":"assistant"}}',
    'data: {"choices":[],"error":{}}',
    'data: {"choices":[],"error":"","message":""}',
    'data: {"choices":[],"prompt_filter_results":[]}',
    'data: {"type":"response.created","response":{"error":null,"status":"in_progress","incomplete_details":null}}',
    'data: {"type":"response.completed","response":{"status":"completed","usage":null}}',
    'data: {"type":["error"],"object":{"error":1},"response":"failed","code":200,"status":202,"promptFeedback":{}}',
    'data: {"choices":[],"code":true,"status":"500 tokens","someException":null,"exceptions":[],"fault":""}',
    'event: message\ndata: {"choices":[]}',
    "event: errors\ndata:",
    "errors: boom",
    "unknown: {}",
    "data:",
    "data: ",
    "data",
    "event: keepalive\ndata:",
    "event: ping\ndata: ",
    "data: \ndata:  ",
    ": ping",
    "id: 7",
]


@pytest.mark.parametrize("nothing", NO_ERRORS)
def test_empty_error_members_are_no_error(nothing):
    raw = nothing.encode() + b"\n\n"
    stream, out = read(raw, event(said()), raw, event(said("", finish_reason="stop")), raw, DONE)
    assert (stream.done, stream.failure) == (True, None)
    ours = [each + b"\n\n" for each in out.split(b"\n\n") if b'"id": "x"' in each]
    assert ours == [event(said()), event(said("", finish_reason="stop"))]


@pytest.mark.parametrize("done", [
    b"data: [DONE]\n\n", b"data: [DONE] \n\n", b"data:  [DONE]\n\n", b"data:[DONE]\t\n\n",
    b"data: \t [DONE] \t\r\n\r\n",
    b"event: done\ndata: [DONE]\n\n", b"data: [DONE]", b"data: [DONE]\n", b"data: [DONE]\r\n", b"data:[DONE] ",
])  # fmt: skip
def test_white_space_around_the_end_is_nothing(done):
    stream, out = read(event(said()), done)
    assert (stream.done, stream.failure, out) == (True, None, event(said()))


def test_what_is_cut_behind_its_last_content_is_no_end():
    for cut in range(len(DONE) - 3):
        stream, _ = read(event(said()), DONE[:cut])
        assert not stream.done, DONE[:cut]


@pytest.mark.parametrize(
    "left", [b'{"error":{"message":"boom"}}', b'data: {"error":"x"}\n{"error":"boom"}', b"error: boom"]
)
def test_an_error_without_its_blank_line_is_read(left):
    stream, _ = read(event(said()), left)
    assert (stream.done, stream.failure is not None) == (False, True)


WHOLE_ERRORS = [
    {"choices": None, "usage": USED},
    {"choices": [], "usage": USED},
    {"choices": [], "error": {"message": "boom"}, "usage": USED},
    {
        "choices": [
            {"index": 0, "message": {"content": "a"}, "finish_reason": "error", "error": {"code": 502}}
        ],
        "usage": USED,
    },
    {"choices": [{"index": 0, "message": {"content": None}, "error": "boom"}], "usage": USED},
    {"choices": [None], "usage": USED},
    {"choices": ["a"], "usage": USED},
    {"object": "error", "message": "boom", "code": 500, "usage": USED},
    {"detail": "boom", "usage": USED},
    {"choices": {"0": {}}, "usage": USED},
    {"base_resp": {"status_code": 1004}, "choices": None, "usage": USED},
]


@pytest.mark.parametrize("document", WHOLE_ERRORS, ids=json.dumps)
def test_error_in_place_of_an_answer_is_recognised_and_its_usage_billed(document):
    with pytest.raises(MalformedAnswer) as fault:
        OpenAIToOpenAI(Shape(alias="chat", path="chat/completions")).response(json.dumps(document).encode())
    assert fault.value.usage is not None
    assert fault.value.usage.total_tokens == 14


@pytest.mark.parametrize(
    ("body", "status", "retryable"),
    [
        (b'{"error":{"code":502,"message":"boom"}}', 502, True),
        (b'{"object":"error","message":"too long","code":400}', 400, False),
        (b'{"error":{"code":"context_length_exceeded","message":"too long"}}', 400, False),
        (b'{"error":{"code":429,"message":"slow down"}}', 429, True),
        (b'{"error":{"code":"401","message":"no"}}', 502, True),
        (b'{"text":"boom","error_code":50001}', 502, True),
        (b'[{"error":{"code":503}}]', 502, True),
        (b"boom", 502, True),
    ],
)
def test_an_error_inside_an_answer_is_judged_as_its_own_words_say(body, status, retryable):
    failure = ErrorWith200(body)
    assert (failure.answer_status, failure.retryable, failure.status) == (status, retryable, None)
