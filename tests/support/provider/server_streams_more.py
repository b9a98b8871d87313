"""The other half of tests/support/provider/server_streams.py."""

from __future__ import annotations

from typing import Final

from tests.support.provider.server_streams import STREAMS, ServerStream, chunks, said

_ID: Final = '"id":"c-1","object":"chat.completion.chunk","created":1730000000,"model":"up-model"'
_USAGE: Final = '"usage":{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13'
_ROLE: Final = '{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}'
_STOP: Final = '{"index":0,"delta":{},"finish_reason":"stop"}'
_CALL: Final = (
    '{"index":0,"delta":{"role":"assistant","content":null,"tool_calls":[{"index":0,"id":"call_1","type":"function",'
    '"function":{"name":"find","arguments":"{\\"model\\": \\"T\\"}"}}]},"finish_reason":null}'
)

MORE: Final[dict[str, ServerStream]] = {
    "xAI": ServerStream(
        events=(
            *chunks(
                _ID,
                '{"index":0,"delta":{"reasoning_content":"Hm","role":"assistant"}}',
                said("Hi", ""),
                _STOP,
                tail=',"system_fingerprint":"fp_x"',
            ),
            (
                f'{{{_ID},"choices":[],"usage":{{"prompt_tokens":9,"completion_tokens":3,"total_tokens":13,"prompt_tokens_details":'
                '{"text_tokens":9,"audio_tokens":0,"image_tokens":0,"cached_tokens":2},"completion_tokens_details":'
                '{"reasoning_tokens":1,"audio_tokens":0},"num_sources_used":0},"system_fingerprint":"fp_x"}'
            ),
        ),
        text="Hi",
        tokens=(9, 2, 4, 1),
    ),
    "Together": ServerStream(
        events=(
            (
                '{"id":"o1","object":"chat.completion.chunk","created":1730000000,"choices":[{"index":0,"text":"Hi","logprobs":null,'
                '"finish_reason":null,"seed":null,"delta":{"token_id":13347,"role":"assistant","content":"Hi","tool_calls":null}}],'
                '"model":"up-model","usage":null}'
            ),
            (
                '{"id":"o1","object":"chat.completion.chunk","created":1730000000,"choices":[{"index":0,"text":"","logprobs":null,'
                '"finish_reason":"stop","seed":7,"delta":{"token_id":128009,"role":"assistant","content":"","tool_calls":null}}],'
                '"model":"up-model","usage":{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13,"cached_tokens":2}}'
            ),
        ),
        text="Hi",
        tokens=(9, 2, 4, 0),
    ),
    "Fireworks": ServerStream(
        events=(
            *chunks(_ID, _ROLE, said("Hi"), tail=',"usage":null'),
            *chunks(_ID, _STOP, tail="," + _USAGE + ',"prompt_tokens_details":{"cached_tokens":2}}'),
        ),
        text="Hi",
        tokens=(9, 2, 4, 0),
    ),
    "Cerebras": ServerStream(
        events=(
            (
                '{"id":"c","choices":[{"delta":{"role":"assistant"},"index":0}],"created":1730000000,"model":"up-model",'
                '"system_fingerprint":"fp","object":"chat.completion.chunk"}'
            ),
            (
                '{"id":"c","choices":[{"delta":{"content":"Hi"},"index":0}],"created":1730000000,"model":"up-model",'
                '"system_fingerprint":"fp","object":"chat.completion.chunk"}'
            ),
            '{"id":"c","choices":[{"delta":{},"finish_reason":"stop","index":0}],"created":1730000000,"model":"up-model",'
            '"object":"chat.completion.chunk",'
            + _USAGE
            + '},"time_info":{"queue_time":0.0001,"total_time":0.01}}',
        ),
        text="Hi",
        tokens=(9, 0, 4, 0),
        done="",
    ),
    "LM Studio": ServerStream(
        events=(
            *chunks(
                _ID + ',"system_fingerprint":"up-model"',
                said("Hi", ',"logprobs":null,"finish_reason":null', ',"role":"assistant"'),
                '{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}',
            ),
            f'{{{_ID},"choices":[],{_USAGE}}}}}',
        ),
        text="Hi",
        tokens=(9, 0, 4, 0),
    ),
    "TGI": ServerStream(
        events=(
            *chunks(
                '"object":"chat.completion.chunk","id":"","created":1730000000,"model":"up-model","system_fingerprint":"3.0-native"',
                said("Hi", ',"logprobs":null,"finish_reason":null', ',"role":"assistant"'),
                said("", ',"logprobs":null,"finish_reason":"stop"', ',"role":"assistant"'),
                tail=',"usage":null',
            ),
            '{"object":"chat.completion.chunk","id":"","created":1730000000,"model":"up-model","choices":[],'
            + _USAGE
            + "}}",
        ),
        text="Hi",
        tokens=(9, 0, 4, 0),
        prefix="data:",
    ),
    "FastChat": ServerStream(
        events=chunks(
            '"id":"chatcmpl-3","model":"up-model"',
            '{"index":0,"delta":{"role":"assistant"},"finish_reason":null}',
            said("Hi"),
            _STOP,
        ),
        text="Hi",
        tokens=None,
    ),
    "Perplexity": ServerStream(
        events=tuple(
            f'{{"id":"p","model":"up-model","created":1730000000,"usage":{{"prompt_tokens":9,"completion_tokens":{tokens},'
            f'"total_tokens":{9 + tokens},"search_context_size":"low"}},"citations":["https://example.com/1"],'
            f'"object":"{kind}","choices":[{{"index":0,"finish_reason":{end},"message":{{"role":"assistant","content":"{whole}"}},'
            f'"delta":{{"role":"assistant","content":"{text}"}}}}]}}'
            for tokens, kind, end, whole, text in (
                (1, "chat.completion.chunk", "null", "Hi", "Hi"),
                (2, "chat.completion.chunk", "null", "Hi you", " you"),
                (4, "chat.completion.done", '"stop"', "Hi you", ""),
            )
        ),
        text="Hi you",
        tokens=(9, 0, 4, 0),
        line_end="\r\n",
        done="",
    ),
    "LiteLLM, of Anthropic": ServerStream(
        events=(
            *chunks(_ID, _ROLE, tail=',"usage":{"prompt_tokens":9,"completion_tokens":1,"total_tokens":10}'),
            *chunks(_ID, said("Hi")),
            *chunks(
                _ID,
                _STOP,
                tail=',"usage":{"prompt_tokens":0,"completion_tokens":4,"total_tokens":4,'
                '"cache_read_input_tokens":2,"cache_creation_input_tokens":0}',
            ),
        ),
        text="Hi",
        tokens=(9, 2, 4, 0),
    ),
    "DashScope": ServerStream(
        events=(
            *chunks(
                _ID,
                said("Hi", ',"logprobs":null,"finish_reason":null'),
                tail=',"system_fingerprint":null,"usage":null',
            ),
            *chunks(_ID, said("", ',"logprobs":null,"finish_reason":"stop"'), tail=',"usage":null'),
            f'{{"choices":[],"object":"chat.completion.chunk",{_USAGE}}},"created":1730000000,"model":"up-model","id":"c-1"}}',
        ),
        text="Hi",
        tokens=(9, 0, 4, 0),
    ),
    "Zhipu": ServerStream(
        events=(
            '{"id":"20","created":1730000000,"model":"up-model","choices":[{"index":0,"delta":{"role":"assistant","content":"Hi"}}]}',
            '{"id":"20","created":1730000000,"model":"up-model","choices":[{"index":0,"finish_reason":"stop",'
            '"delta":{"role":"assistant","content":""}}],' + _USAGE + "}}",
        ),
        text="Hi",
        tokens=(9, 0, 4, 0),
    ),
    "a tool call": ServerStream(
        events=(
            *chunks(_ID, _CALL, '{"index":0,"delta":{},"finish_reason":"tool_calls"}', tail=',"usage":null'),
            f'{{{_ID},"choices":[],{_USAGE}}}}}',
        ),
        text="",
        tokens=(9, 0, 4, 0),
    ),
    "a tool call of objects": ServerStream(
        events=(
            *chunks(
                '"id":"c-1","object":"chat.completion.chunk"',
                '{"index":0,"delta":{"tool_calls":[{"function":{"name":"find","arguments":{"model":"T","usage":null}}}]},'
                '"finish_reason":"tool_calls"}',
                tail=',"model":"up-model","usage":null',
            ),
            f'{{{_ID},"choices":[],{_USAGE}}}}}',
        ),
        text="",
        tokens=(9, 0, 4, 0),
    ),
    "an emoji in two halves": ServerStream(
        events=(*chunks(_ID, said("\\ud83d"), said("\\ude00"), _STOP), f'{{{_ID},"choices":[],{_USAGE}}}}}'),
        text="\ud83d\ude00",
        tokens=(9, 0, 4, 0),
    ),
    "named events": ServerStream(
        events=tuple(
            each
            for at, data in enumerate(chunks(_ID, said("Hi"), _STOP, tail="," + _USAGE + "}"))
            for each in (f"id:{at}", "event:message", data)
        ),
        text="Hi",
        tokens=(9, 0, 4, 0),
        line_end="\r",
    ),
}
EVERY: Final = STREAMS | MORE
