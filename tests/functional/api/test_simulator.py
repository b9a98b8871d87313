"""The built-in simulator, driven over its socket by the official OpenAI client."""

from __future__ import annotations

import asyncio
import base64
import json
import math
import struct
import zlib
from enum import Enum
from typing import Literal

import httpx
import openai
import pytest
from pydantic import BaseModel, Field

from providers.simulator.server import Simulator
from providers.tokens.count import count

MODEL = "simulator-chat"
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "unit": {"enum": ["c", "f"]}},
            "required": ["city", "unit"],
            "additionalProperties": False,
        },
    },
}


@pytest.fixture
async def base_url():
    simulator = Simulator()
    port = await simulator.start()
    yield f"http://127.0.0.1:{port}/v1"
    await simulator.aclose()


@pytest.fixture
async def client(base_url):
    async with openai.AsyncOpenAI(api_key="unused", base_url=base_url, max_retries=0) as client:
        yield client


def said(text):
    return [{"role": "user", "content": text}]


async def test_simulator_answers_in_sentences_that_mention_the_prompt(client):
    answer = await client.chat.completions.create(
        model=MODEL, messages=said("Tell me about the harbor of Lisbon")
    )
    choice = answer.choices[0]
    assert "harbor of Lisbon" in (choice.message.content or "")
    assert choice.finish_reason == "stop"
    assert answer.model == MODEL
    assert answer.usage is not None
    assert answer.usage.completion_tokens == count(choice.message.content or "")
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


async def test_same_prompt_has_the_same_answer_streamed_or_not(client):
    whole = await client.chat.completions.create(model=MODEL, messages=said("What is a gateway?"))
    again = await client.chat.completions.create(model=MODEL, messages=said("What is a gateway?"))
    stream = await client.chat.completions.create(
        model=MODEL, messages=said("What is a gateway?"), stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert whole.choices == again.choices
    assert text == whole.choices[0].message.content
    assert chunks[-1].choices == []
    assert chunks[-1].usage == whole.usage
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"


async def test_simulator_sends_no_usage_in_a_stream_unless_asked(client):
    stream = await client.chat.completions.create(model=MODEL, messages=said("hello"), stream=True)
    assert not [chunk async for chunk in stream if chunk.usage is not None or not chunk.choices]


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
async def test_simulator_stops_at_the_token_limit_and_says_so(client, field):
    answer = await client.chat.completions.create(model=MODEL, messages=said("hello"), **{field: 5})
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.completion_tokens == 5


async def test_simulator_ends_before_a_stop_sequence(client):
    whole = await client.chat.completions.create(model=MODEL, messages=said("hello"))
    text = whole.choices[0].message.content or ""
    word = text.split()[4]
    answer = await client.chat.completions.create(model=MODEL, messages=said("hello"), stop=[word])
    assert answer.choices[0].message.content == text[: text.index(word)]
    assert answer.choices[0].finish_reason == "stop"


async def test_simulator_gives_as_many_choices_as_asked_and_bills_them_all(client):
    answer = await client.chat.completions.create(model=MODEL, messages=said("hello"), n=3, logprobs=True)
    texts = [choice.message.content for choice in answer.choices]
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert answer.usage.completion_tokens == sum(count(text) for text in texts)
    tokens = answer.choices[0].logprobs.content
    assert "".join(token.token for token in tokens) == texts[0]


async def test_simulator_interleaves_the_choices_of_a_stream(client):
    async with client.chat.completions.stream(model=MODEL, messages=said("hello"), n=2) as stream:
        final = await stream.get_final_completion()
    whole = await client.chat.completions.create(model=MODEL, messages=said("hello"), n=2)
    assert [choice.message.content for choice in final.choices] == [c.message.content for c in whole.choices]


@pytest.mark.parametrize(
    ("choice", "question"),
    [
        ("required", "hello"),
        ({"type": "function", "function": {"name": "get_weather"}}, "hello"),
        ("auto", "What is the weather in Paris"),
    ],
)
async def test_simulator_calls_a_tool_that_is_forced_or_asked_for(client, choice, question):
    answer = await client.chat.completions.create(
        model=MODEL, messages=said(question), tools=[WEATHER], tool_choice=choice
    )
    call = answer.choices[0].message.tool_calls[0]
    arguments = json.loads(call.function.arguments)
    assert arguments["city"] == question.split()[-1]
    assert arguments["unit"] in {"c", "f"}
    assert call.function.name == "get_weather"
    assert answer.choices[0].finish_reason == "tool_calls"


async def test_simulator_answers_in_text_after_a_tool_result(client):
    question = said("What is the weather in Paris")
    asked = await client.chat.completions.create(model=MODEL, messages=question, tools=[WEATHER])
    message = asked.choices[0].message
    result = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "Sunny, 21 degrees"}
    answer = await client.chat.completions.create(
        model=MODEL, messages=[*question, message.model_dump(exclude_none=True), result], tools=[WEATHER]
    )
    assert "21 degrees" in answer.choices[0].message.content


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Leaf(BaseModel):
    kind: Literal["leaf"]
    weight: float = Field(ge=0, le=1)


class Node(BaseModel):
    kind: Literal["node"]
    children: list[Node | Leaf]
    parent: Node | None


class Everything(BaseModel):
    name: str
    color: Color
    count: int = Field(ge=3, le=4)
    tags: list[str]
    active: bool
    maybe: str | None
    tree: Node | Leaf
    pair: tuple[int, str]


async def test_simulator_fills_a_pydantic_model(client):
    parsed = await client.chat.completions.parse(model=MODEL, messages=said("hi"), response_format=Everything)
    made = parsed.choices[0].message.parsed
    assert isinstance(made, Everything)
    assert 3 <= made.count <= 4


async def test_the_synchronous_client_streams_a_tool_call(base_url):
    def call():
        with openai.OpenAI(api_key="unused", base_url=base_url, max_retries=0) as client:
            asked = {"model": MODEL, "messages": said("hello"), "tools": [WEATHER], "tool_choice": "required"}
            with client.chat.completions.stream(**asked) as stream:
                return stream.get_final_completion().choices[0]

    choice = await asyncio.to_thread(call)
    assert json.loads(choice.message.tool_calls[0].function.arguments).keys() == {"city", "unit"}
    assert choice.finish_reason == "tool_calls"


async def test_a_tool_call_that_does_not_fit_is_cut_and_says_so(client):
    asked = {"model": MODEL, "messages": said("hello"), "tools": [WEATHER], "tool_choice": "required"}
    answer = await client.chat.completions.create(**asked, max_tokens=4)
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.completion_tokens <= 4


async def test_embeddings_are_unit_vectors_and_near_for_near_texts(client):
    texts = ["the cat sat on the mat", "the cat sat on a mat", "quarterly revenue forecast"]
    answer = await client.embeddings.create(model="simulator-embedding", input=texts, encoding_format="float")
    near, also_near, far = [item.embedding for item in answer.data]
    assert [len(item.embedding) for item in answer.data] == [256] * 3
    assert math.isclose(math.dist(near, [0.0] * 256), 1, abs_tol=1e-5)
    assert math.dist(near, also_near) < math.dist(near, far)
    assert answer.usage.prompt_tokens == sum(count(text) for text in texts)


@pytest.mark.parametrize("given", ["hello", ["hello", "you"], [1, 2, 3], [[1, 2], [3]]])
async def test_base64_and_float_embeddings_are_the_same_numbers(client, given):
    floats = await client.embeddings.create(model="e", input=given, dimensions=64, encoding_format="float")
    packed = await client.embeddings.create(
        model="e", input=given, dimensions=64
    )  # the client asks for base64
    assert [item.embedding for item in packed.data] == [item.embedding for item in floats.data]
    assert floats.usage == packed.usage


@pytest.mark.parametrize("shape", ["url", "b64_json"])
async def test_simulator_draws_png_files_of_the_size_asked_for(client, shape):
    asked = {
        "model": "simulator-image",
        "prompt": "a boat",
        "n": 2,
        "size": "640x333",
        "response_format": shape,
    }
    answer = await client.images.generate(**asked)
    for item in answer.data:
        content = base64.b64decode(item.b64_json or item.url.partition(",")[2])
        assert content[:8] == b"\x89PNG\r\n\x1a\n"
        assert struct.unpack(">II", content[16:24]) == (640, 333)
        place = content.index(b"IDAT")
        pixels = zlib.decompress(content[place + 4 : -12 - 4])
        assert len(pixels) == 333 * (80 + 1)
    assert answer.usage.input_tokens == count("a boat")


@pytest.mark.parametrize(("shape", "start"), [("mp3", b"\xff\xfb"), ("wav", b"RIFF"), ("pcm", b"\x00\x00")])
async def test_simulator_audio_is_as_long_as_its_text_takes(client, shape, start):
    short = await client.audio.speech.create(model="tts", voice="alloy", input="Hi.", response_format=shape)
    long = await client.audio.speech.create(
        model="tts", voice="alloy", input="Hi. " * 99, response_format=shape
    )
    assert short.content.startswith(start)
    assert len(long.content) > len(short.content)


async def test_simulator_transcribes_its_own_audio_with_its_length(client):
    spoken = await client.audio.speech.create(
        model="tts", voice="alloy", input="Hello!" * 10, response_format="wav"
    )
    recording = ("hello.wav", spoken.content)
    heard = await client.audio.transcriptions.create(model="stt", file=recording)
    longer = await client.audio.transcriptions.create(
        model="stt", file=recording, response_format="verbose_json"
    )
    titles = await client.audio.transcriptions.create(model="stt", file=recording, response_format="vtt")
    assert heard.text == longer.text
    assert heard.usage.seconds == longer.duration == 4
    assert titles.startswith("WEBVTT\n\n00:00:00.000 --> 00:00:04.000\n")


async def test_simulator_lists_its_models(client):
    assert MODEL in [model.id async for model in client.models.list()]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"{", None),
        (b"\xff", None),
        (b"[" * 100_000, None),
        (b'{"model":"m"}', "messages"),
        (b'{"model":"m","messages":[]}', "messages"),
        (b'{"model":"m","messages":[{"role":"user","content":"a"}],"n":0}', "n"),
        (b'{"model":"m","messages":[{"role":"user","content":"a"}],"max_tokens":0}', "max_tokens"),
    ],
)
async def test_simulator_refuses_what_openai_refuses(base_url, body, param):
    async with httpx.AsyncClient() as client:
        answer = await client.post(f"{base_url}/chat/completions", content=body)
        nowhere = await client.post(f"{base_url}/nowhere", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert answer.json()["error"]["param"] == param
    assert nowhere.status_code == 404
