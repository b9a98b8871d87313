"""Streams as twenty-four servers send them: their own members, order, spacing, framing and ends. Values, no I/O.

The shapes are those of the vendors' documentation and of recordings in public bug reports; names and texts are ours.
"""

from __future__ import annotations

from typing import Final

import msgspec


class ServerStream(msgspec.Struct, frozen=True, kw_only=True):
    """`tokens` are what the client's bill has: input, of it cached, output, of it reasoning; None: it says nothing."""

    events: tuple[
        str, ...
    ]  # data of each; what begins with ":" is a comment, with "event:" or "id:" a line of its own
    text: str  # of all choices together, without thinking
    tokens: tuple[int, int, int, int] | None
    line_end: str = "\n"
    prefix: str = "data: "
    choices: int = 1
    done: str = "[DONE]"  # "": it does not come

    @property
    def raw(self) -> bytes:
        end = self.line_end
        events = [*self.events, self.done] if self.done else [*self.events]
        lines = [each if each.startswith((":", "event:", "id:")) else self.prefix + each for each in events]
        return "".join(
            [line + end * (1 if line.startswith(("event:", "id:")) else 2) for line in lines]
        ).encode()


def chunks(head: str, *choices: str, tail: str = "") -> tuple[str, ...]:
    return tuple(f'{{{head},"choices":[{choice}]{tail}}}' for choice in choices)


def said(text: str, rest: str = ',"finish_reason":null', more: str = "") -> str:
    return f'{{"index":0,"delta":{{"content":"{text}"{more}}}{rest}}}'


_ID: Final = '"id":"chatcmpl-1","object":"chat.completion.chunk","created":1730000000,"model":"up-model"'
_USAGE: Final = '"usage":{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13'
_DETAILS: Final = (
    ',"prompt_tokens_details":{"cached_tokens":2,"audio_tokens":0},'
    '"completion_tokens_details":{"reasoning_tokens":1,"audio_tokens":0}}'
)
_OPENAI: Final = _ID + ',"service_tier":"default","system_fingerprint":"fp_5"'
_NULL: Final = ',"usage":null,"obfuscation":"aB3"'
_STOP: Final = '{"index":0,"delta":{},"finish_reason":"stop"}'

STREAMS: Final[dict[str, ServerStream]] = {
    "OpenAI": ServerStream(
        events=(
            *chunks(
                _OPENAI,
                '{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}',
                said("Gr\u00fc\u00dfe", ',"logprobs":null,"finish_reason":null'),
                said(", \\ud83d\\ude00!", ',"logprobs":null,"finish_reason":null'),
                '{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}',
                tail=_NULL,
            ),
            f'{{{_OPENAI},"choices":[],{_USAGE}{_DETAILS},"obfuscation":"x"}}',
        ),
        text="Gr\u00fc\u00dfe, \U0001f600!",
        tokens=(9, 2, 4, 1),
    ),
    "OpenAI, three choices": ServerStream(
        events=(
            *chunks(
                _OPENAI,
                *[
                    f'{{"index":{at},"delta":{{"role":"assistant","content":"w{at}"}},"finish_reason":null}}'
                    for at in (0, 1, 2)
                ],
                *[f'{{"index":{at},"delta":{{}},"finish_reason":"stop"}}' for at in (1, 0, 2)],
                tail=_NULL,
            ),
            f'{{{_OPENAI},"choices":[],{_USAGE}}}}}',
        ),
        text="w0w1w2",
        tokens=(9, 0, 4, 0),
        choices=3,
    ),
    "Azure": ServerStream(
        events=(
            (
                '{"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":'
                '[{"prompt_index":0,"content_filter_results":{"hate":{"filtered":false,"severity":"safe"}}}]}'
            ),
            (
                '{"choices":[{"content_filter_results":{},"delta":{"content":"","refusal":null,"role":"assistant"},'
                '"finish_reason":null,"index":0,"logprobs":null}],"created":1730000000,"id":"c","model":"up-model",'
                '"object":"chat.completion.chunk","system_fingerprint":"fp","usage":null}'
            ),
            (
                '{"choices":[{"content_filter_results":{"hate":{"filtered":false,"severity":"safe"}},"delta":{"content":"Hi"},'
                '"finish_reason":null,"index":0,"logprobs":null}],"created":1730000000,"id":"c","model":"up-model",'
                '"object":"chat.completion.chunk","system_fingerprint":"fp","usage":null}'
            ),
            (
                '{"choices":[{"content_filter_results":{},"delta":{},"finish_reason":"stop","index":0,"logprobs":null}],'
                '"created":1730000000,"id":"c","model":"up-model","object":"chat.completion.chunk","usage":null}'
            ),
            (
                '{"choices":[{"content_filter_offsets":{"check_offset":1},"content_filter_results":{},"finish_reason":null,'
                '"index":0}],"created":0,"id":"","model":"","object":""}'
            ),
            '{"choices":[],"created":1730000000,"id":"c","model":"up-model","object":"chat.completion.chunk",'
            + _USAGE
            + _DETAILS
            + "}",
        ),
        text="Hi",
        tokens=(9, 2, 4, 1),
    ),
    "vLLM, usage with every event": ServerStream(
        events=(
            (
                f'{{{_ID},"choices":[{{"index":0,"delta":{{"role":"assistant","content":""}},"logprobs":null,'
                '"finish_reason":null}],"usage":{"prompt_tokens":9,"total_tokens":9,"completion_tokens":0}}'
            ),
            (
                f'{{{_ID},"choices":[{said("Hi")}],'
                '"usage":{"prompt_tokens":9,"total_tokens":10,"completion_tokens":1}}'
            ),
            (
                f'{{{_ID},"choices":[{{"index":0,"delta":{{"content":" there"}},"finish_reason":"stop"}}],'
                '"usage":{"prompt_tokens":9,"total_tokens":13,"completion_tokens":4}}'
            ),
            f'{{{_ID},"choices":[],{_USAGE}}}}}',
        ),
        text="Hi there",
        tokens=(9, 0, 4, 0),
    ),
    "SGLang": ServerStream(
        events=(
            *chunks(
                _ID,
                '{"index":0,"delta":{"role":"assistant","content":"","reasoning_content":null,"tool_calls":null},'
                '"logprobs":null,"finish_reason":"","matched_stop":null}',
                said(
                    "Hi",
                    ',"logprobs":null,"finish_reason":"","matched_stop":null',
                    ',"reasoning_content":null',
                ),
                '{"index":0,"delta":{"content":null},"finish_reason":"stop","matched_stop":151645}',
            ),
            f'{{{_ID},"choices":[],{_USAGE},"prompt_tokens_details":null}}}}',
        ),
        text="Hi",
        tokens=(9, 0, 4, 0),
    ),
    "llama.cpp": ServerStream(
        events=(
            (
                '{"choices":[{"finish_reason":null,"index":0,"delta":{"role":"assistant","content":null}}],"created":1730000000,'
                '"id":"c","model":"up-model","system_fingerprint":"b6000","object":"chat.completion.chunk"}'
            ),
            (
                '{"choices":[{"finish_reason":null,"index":0,"delta":{"content":"Hi"}}],"created":1730000000,'
                '"id":"c","model":"up-model","system_fingerprint":"b6000","object":"chat.completion.chunk"}'
            ),
            (
                '{"choices":[{"finish_reason":"stop","index":0,"delta":{}}],"created":1730000000,'
                '"id":"c","model":"up-model","system_fingerprint":"b6000","object":"chat.completion.chunk"}'
            ),
            '{"choices":[],"created":1730000000,"id":"c","model":"up-model","object":"chat.completion.chunk",'
            + _USAGE
            + '},"timings":{"prompt_n":9,"prompt_ms":30.1,"predicted_n":4,"predicted_ms":80.2}}',
        ),
        text="Hi",
        tokens=(9, 0, 4, 0),
    ),
    "Ollama": ServerStream(
        events=tuple(
            f'{{"id":"chatcmpl-7","object":"chat.completion.chunk","created":{1730000000 + at},"model":"up-model",'
            f'"system_fingerprint":"fp_ollama","choices":[{choice}]{rest}}}'
            for at, (choice, rest) in enumerate(
                (
                    ('{"index":0,"delta":{"role":"assistant","content":"Hi"},"finish_reason":null}', ""),
                    ('{"index":0,"delta":{"role":"assistant","content":" you"},"finish_reason":null}', ""),
                    ('{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":"stop"}', ""),
                    ("", "," + _USAGE + "}"),
                )
            )
        ),
        text="Hi you",
        tokens=(9, 0, 4, 0),
    ),
    "Mistral, thinking": ServerStream(
        events=chunks(
            '"id":"5d","object":"chat.completion.chunk","created":1730000000,"model":"up-model"',
            '{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}',
            '{"index":0,"delta":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"Hm"}]}]},"finish_reason":null}',
            '{"index":0,"delta":{"content":[{"type":"text","text":"42"}]},"finish_reason":null}',
            '{"index":0,"delta":{"content":""},"finish_reason":"stop"}',
            tail="," + _USAGE + "}",
        ),
        text="",
        tokens=(9, 0, 4, 0),
    ),
    "DeepSeek": ServerStream(
        events=(
            ": keep-alive",
            *chunks(
                _ID + ',"system_fingerprint":"fp_d"',
                '{"index":0,"delta":{"role":"assistant","content":null,"reasoning_content":""},"logprobs":null,"finish_reason":null}',
                '{"index":0,"delta":{"content":null,"reasoning_content":"Hm"},"logprobs":null,"finish_reason":null}',
                '{"index":0,"delta":{"content":"Hi","reasoning_content":null},"logprobs":null,"finish_reason":null}',
            ),
            *chunks(
                _ID,
                '{"index":0,"delta":{"content":"","reasoning_content":null},"finish_reason":"stop"}',
                tail=',"usage":{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13,"prompt_cache_hit_tokens":2,'
                '"prompt_cache_miss_tokens":7,"completion_tokens_details":{"reasoning_tokens":1}}',
            ),
        ),
        text="Hi",
        tokens=(9, 2, 4, 1),
    ),
    "Moonshot": ServerStream(
        events=chunks(
            '"id":"cmpl-04","object":"chat.completion.chunk","created":1730000000,"model":"up-model"',
            '{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}',
            said("Hi"),
            '{"index":0,"delta":{},"finish_reason":"stop","usage":{"prompt_tokens":9,"completion_tokens":4,'
            '"total_tokens":13,"cached_tokens":2}}',
            tail=',"system_fingerprint":"fpv0"',
        ),
        text="Hi",
        tokens=(9, 2, 4, 0),
    ),
    "Groq": ServerStream(
        events=(
            (
                f'{{{_ID},"system_fingerprint":"fp_g","choices":[{{"index":0,"delta":{{"role":"assistant","content":""}},'
                '"logprobs":null,"finish_reason":null}],"x_groq":{"id":"req_01"}}'
            ),
            f'{{{_ID},"system_fingerprint":"fp_g","choices":[{said("Hi")}]}}',
            (
                f'{{{_ID},"system_fingerprint":"fp_g","choices":[{_STOP}],"x_groq":{{"id":"req_01",'
                '"usage":{"queue_time":0.06,"prompt_tokens":9,"prompt_time":0.01,"completion_tokens":4,"total_tokens":13}}}'
            ),
        ),
        text="Hi",
        tokens=(9, 0, 4, 0),
    ),
    "OpenRouter": ServerStream(
        events=(
            ": OPENROUTER PROCESSING",
            *chunks(
                '"id":"gen-17","provider":"Elsewhere","model":"up-model","object":"chat.completion.chunk","created":1730000000',
                '{"index":0,"delta":{"role":"assistant","content":"","reasoning":"Hm","reasoning_details":'
                '[{"type":"reasoning.text","text":"Hm","format":"unknown","index":0}]},"finish_reason":null,'
                '"native_finish_reason":null,"logprobs":null}',
                said("Hi", ',"finish_reason":null,"native_finish_reason":null', ',"role":"assistant"'),
                '{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":"stop","native_finish_reason":"STOP"}',
            ),
            '{"id":"gen-17","provider":"Elsewhere","model":"up-model","object":"chat.completion.chunk","created":1730000000,'
            '"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null,"native_finish_reason":null}],'
            + _USAGE
            + ',"cost":0.0001,"is_byok":false'
            + _DETAILS
            + "}",
        ),
        text="Hi",
        tokens=(9, 2, 4, 1),
    ),
    "Gemini": ServerStream(
        events=(
            (
                '{"choices":[{"delta":{"content":"Hi","role":"assistant"},"index":0}],"created":1730000000,"id":"g",'
                '"model":"up-model","object":"chat.completion.chunk","usage":{"completion_tokens":1,"prompt_tokens":9,"total_tokens":11}}'
            ),
            (
                '{"choices":[{"delta":{"content":" you","role":"assistant"},"finish_reason":"stop","index":0}],'
                '"created":1730000000,"id":"g","model":"up-model","object":"chat.completion.chunk",'
                '"usage":{"completion_tokens":3,"prompt_tokens":9,"total_tokens":13}}'
            ),
        ),
        text="Hi you",
        tokens=(9, 0, 4, 1),
    ),
}
