"""Letters that become more of a prompt than they are of a body are reckoned by what they become."""

from __future__ import annotations

import json
import unicodedata

import pytest

from gateway.api.schemas import peek_chat, peek_embeddings
from providers.requests.expanding import extra_bytes


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
    for point in range(0x80, 0x30000):
        letter = chr(point)
        if 0xD800 <= point < 0xE000:
            continue
        written = [len(unicodedata.normalize(form, letter).encode()) for form in ("NFC", "NFKC")]
        grows = max(written) > len(letter.encode())
        assert bool(extra_bytes(letter.encode())) is grows, hex(point)


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
