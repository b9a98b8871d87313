"""Bodies of any size, made to keep a parser busy or to fill the memory."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable

from tests.support.clients import media

MB = 1024 * 1024
Body = Callable[[int], bytes]


def chat(content: bytes, *more: bytes) -> bytes:
    members = [b'"model":"wide"', b'"messages":[{"role":"user","content":%s}]' % content, *more]
    return b"{" + b",".join(members) + b"}"


def messages(value: bytes) -> bytes:
    return b'{"model":"wide","messages":' + value + b"}"


def text(piece: bytes) -> Body:
    """One message, whose text is this again and again."""
    return lambda size: chat(b'"' + piece * (size // len(piece)) + b'"')


def in_messages(piece: bytes) -> Body:
    return lambda size: messages(b"[" + b",".join([piece] * (size // (len(piece) + 1))) + b"]")


def in_metadata(piece: bytes) -> Body:
    """A list of this in a member that the gateway does not act on."""
    return lambda size: chat(b'"hi"', b'"metadata":[%s]' % b",".join([piece] * (size // (len(piece) + 1))))


def members(inside: bytes) -> Body:
    """An object with very many members."""

    def make(size: int) -> bytes:
        names = [b'"%07d":%s' % (n, inside) for n in range(size // (11 + len(inside)))]
        return chat(b'"hi"', *names)

    return make


def tools(size: int) -> bytes:
    names = [b'"%07d":{}' % n for n in range(size // 13)]
    return chat(b'"hi"', b'"tools":[{"type":"function","function":{"parameters":{%s}}}]' % b",".join(names))


def white(size: int) -> bytes:
    return messages(b"[" + b" " * size + b"]")


def spread(size: int) -> bytes:
    return chat(b'"hi"', b'"metadata":[%s]' % b",".join([b" " * 60_000 + b"1"] * (size // 60_002)))


def long_number(size: int) -> bytes:
    return chat(b'"hi"', b'"seed":' + b"7" * size)


def long_name(size: int) -> bytes:
    return chat(b'"hi"', b'"' + b"n" * size + b'":1')


def deep(size: int) -> bytes:
    return chat(b'"hi"', b'"metadata":' + b"[" * (size // 2) + b"]" * (size // 2))


def deep_objects(size: int) -> bytes:
    return chat(b'"hi"', b'"metadata":' + b'{"":' * (size // 5) + b"1" + b"}" * (size // 5))


def parts(size: int) -> bytes:
    part = b'{"type":"text","text":"a"}'
    return chat(b"[" + b",".join([part] * (size // 27)) + b"]")


def cut(size: int) -> bytes:
    return text(b"word ")(size)[:-4]


def twice(size: int) -> bytes:
    return chat(b'"%s"' % (b"a " * (size // 4)), b'"messages":"%s"' % (b"b " * (size // 4)))


def long_model(size: int) -> bytes:
    return messages(b'[{"role":"user","content":"hi"}]').replace(b'"wide"', b'"' + b"m" * size + b'"')


def code(size: int) -> bytes:
    line = json.dumps('    if "a\\b" in {x["k"]: [1, 2]}:\n\treturn f"{x!r}\\n"\n').encode()[1:-1]
    return text(line)(size)


def picture(size: int) -> bytes:
    """One picture, whose head is a true one."""
    data = base64.b64encode(media.png(640, 480, size * 3 // 4))
    return chat(b'[{"type":"image_url","image_url":{"url":"data:image/png;base64,%s"}}]' % data)


def pictures(piece: bytes) -> Body:
    """Very many of them, in as many messages as are allowed."""
    part = b'{"type":"image_url","image_url":{"url":"%s"}}' % piece

    def make(size: int) -> bytes:
        count = size // (len(part) + 1)
        each = [b",".join([part] * min(256, count - at)) for at in range(0, count, 256)]
        return messages(b"[%s]" % b",".join([b'{"role":"user","content":[%s]}' % parts for parts in each]))

    return make


def many_messages(size: int) -> bytes:
    """As many as are allowed, long ones."""
    message = b'{"role":"user","content":"%s"}' % (rb"word \n" * (size // 2_048 // 7))
    return messages(b"[%s]" % b",".join([message] * 2_000))


def schema(size: int) -> bytes:
    """A schema with long descriptions."""
    field = b'{"type":"string","description":"%s"}' % (rb"say \"what\" it is " * 60)
    fields = [b'"f%06d":%s' % (number, field) for number in range(size // (len(field) + 12))]
    return chat(
        b'"hi"',
        b'"response_format":{"type":"json_schema","json_schema":{"name":"s","schema":{"properties":{%s}}}}'
        % b",".join(fields),
    )


def tool_calls(size: int) -> bytes:
    """Messages of an assistant that called tools with long arguments."""
    call = b'{"id":"c","type":"function","function":{"name":"f","arguments":"%s"}}' % (
        rb"{\"a\": [1, 2]} " * 600
    )
    message = b'{"role":"assistant","content":null,"tool_calls":[%s]}' % b",".join([call] * 16)
    return messages(b"[%s]" % b",".join([message] * (size // (len(message) + 1))))


def doubled(size: int) -> bytes:
    """Members of the top level that are repeated, each of them long."""
    return chat(b'"hi"', *[b'"metadata":{"a":"%s"}' % (b"x" * (size // 20))] * 20)


def sound(size: int) -> bytes:
    return chat(
        b'[{"type":"input_audio","input_audio":{"format":"mp3","data":"%s"}}]' % (b"//uQ" * (size // 4))
    )


def inputs(value: bytes, count: int = 0) -> Body:
    """The inputs of a request for embeddings."""

    def make(size: int) -> bytes:
        several = b",".join([value] * (count or size // (len(value) + 1)))
        return b'{"model":"vectors","input":[%s]}' % several

    return make


def one_input(size: int) -> bytes:
    return b'{"model":"vectors","input":"%s"}' % (rb"a b\n" * (size // 5))


def token_lists(size: int) -> bytes:
    return b'{"model":"vectors","input":[%s]}' % b",".join(
        [b"[%s]" % b",".join([b"100200"] * 300)] * (size // 2_102)
    )


SERVED: dict[str, Body] = {  # what cannot be refused: it is only long
    "a picture": text(b"QUJD"),
    "runs of 999 of base64": text(b"A" * 999 + b" "),
    "escaped quotes": text(rb"\""),
    "backslashes": text(rb"\\"),
    "escaped letters": text(rb"\u00e9"),
    "pairs of surrogates": text(rb"\ud83d\ude00"),
    "two-byte letters": text("é".encode()),
    "four-byte letters": text("😀".encode()),
    "quotes and white space": text(rb"\"\n\t "),
    "code": code,
    "names inside of a text": text(rb"\"image_url\":"),
    "brackets inside of a text": text(b"[{"),
    "lists of white space": spread,
    "a true picture": picture,
    "a sound": sound,
    "many messages": many_messages,
    "a schema": schema,
    "arguments of tools": tool_calls,
    "members that come again": doubled,
}
REFUSED: dict[str, tuple[Body, str]] = {
    "a list of ones": (in_messages(b"1"), "too_many_messages"),
    "empty messages": (in_messages(b"{}"), "too_many_messages"),
    "empty lists as messages": (in_messages(b"[]"), "too_many_messages"),
    "texts as messages": (in_messages(b'""'), "too_many_messages"),
    "empty objects": (in_metadata(b"{}"), "too_many_values"),
    "empty texts": (in_metadata(b'""'), "too_many_values"),
    "numbers": (in_metadata(b"1"), "too_many_values"),
    "words": (in_metadata(b"null"), "too_many_values"),
    "small objects": (in_metadata(b'{"a":1}'), "too_many_values"),
    "towers": (in_metadata(b"[" * 60 + b"]" * 60), "too_many_values"),
    "members": (members(b"1"), "too_many_members"),
    "members of objects": (members(b"{}"), "too_many_members"),
    "members inside of tools": (tools, "too_many_values"),
    "parts": (parts, "too_many_content_parts"),
    "a deep list": (deep, "too_deeply_nested"),
    "deep objects": (deep_objects, "too_deeply_nested"),
    "white space": (white, "invalid_json"),
    "a long number": (long_number, "invalid_json"),
    "a long name": (long_name, "invalid_json"),
    "no end": (cut, "invalid_json"),
    "halves of surrogates": (text(rb"\ud83d"), "invalid_json"),
    "bytes that are not UTF-8": (text(b"abc \xff"), "invalid_json"),
    "control characters": (text(b"abc \x01"), "invalid_json"),
    "bad escapes": (text(rb"\x41"), "invalid_json"),
    "messages twice, a text at last": (twice, "invalid_value"),
    "a long model": (long_model, "invalid_value"),
    "pictures behind addresses": (pictures(b"https://a"), "too_many_values"),
    "small pictures": (
        pictures(b"data:image/png;base64," + base64.b64encode(media.png(9, 9))),
        "too_many_pictures",
    ),
}
VECTORS: dict[str, tuple[Body, str]] = {  # of embeddings; "" is served
    "one input": (one_input, ""),
    "long inputs": (inputs(b'"' + b"ab " * 3_000 + b'"', 2_000), ""),
    "numbers as inputs": (inputs(b"1"), "too_many_inputs"),
    "empty lists as inputs": (inputs(b"[]"), "too_many_inputs"),
    "objects as inputs": (inputs(b"{}"), "too_many_inputs"),
    "lists of tokens": (token_lists, "too_many_values"),
}
EVERY: dict[str, Body] = SERVED | {name: body for name, (body, _) in REFUSED.items()}


TANGLE = (
    b'"' + b"[" * 70 + b'"'
)  # brackets inside of a text, so that only an outline shows how deep a body is


def tangled(piece: bytes) -> Body:
    return lambda size: chat(
        TANGLE, b'"metadata":[%s]' % b",".join([piece] * (size // (len(piece) + 1) - 60))
    )


def unknown_names(letter: str) -> Body:
    """As many names as may be unknown, as long as they may be."""
    names = [f"{number:02}{letter * 254}" for number in range(64)]
    return lambda _: chat(b'"hi"', json.dumps(dict.fromkeys(names, 1)).encode()[1:-1])


def name_in_an_echo(letters: bytes) -> Body:
    def make(size: int) -> bytes:
        name = letters * (size // len(letters) - 40)
        return messages(b'[{"role":"assistant","content":"x","annotations":[{"x":{"id":1,"%s":1}}]}]' % name)

    return make


def segments(size: int) -> bytes:
    """JPEGs of as many segments as are walked."""
    walked = b"\xff\xe1\x00\x02" * 8 + (b"\xff\xe1\x00\x10" + bytes(14)) * 190
    data = b"\xff\xd8" + walked + media.jpeg(1, 1)[2:]
    part = b'{"image_url":"data:image/jpeg;base64,%s"}' % base64.b64encode(data)
    return chat(b"[%s]" % b",".join([part] * (size // (len(part) + 1))))


def of_two_thousand_pictures(_: int) -> bytes:
    return pictures(b"https://a")(2_000 * 58)


SMALL: dict[str, Body] = {  # that are not large, and were slow to read
    "texts behind a tangle": tangled(b'""'),
    "numbers and texts behind a tangle": tangled(b'1,""'),
    "members behind a tangle": lambda size: chat(TANGLE, b'"metadata":{%s}' % members(b"1")(size)[60:-1]),
    "long unknown names": unknown_names("n"),
    "long unknown names that grow": unknown_names("\u00df"),
    "a long name in an echo": name_in_an_echo(b"a"),
    "a long name of things in an echo": name_in_an_echo(b"filesid"),
    "numbers as parts": lambda size: chat(b"[%s]" % b",".join([b"1"] * (size // 2 - 60))),
    "segments of pictures": segments,
    "two thousand pictures": of_two_thousand_pictures,
}
