"""Redacts secrets in texts that come from providers, and for clients also details of the internal network.

By value first: the credential that was sent, whole, in long pieces and in usual encodings. Then what looks like a key.
An ordinary message stays unchanged. Error path only: about 0.1 ms for a message, 5 ms for the longest possible.
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final, TypeVar
from urllib.parse import quote, unquote

import msgspec

from providers.egress import is_public

T = TypeVar("T", bound=msgspec.Struct)
MASK: Final = "***"
PIECE: Final = 12  # so many consecutive characters of a secret are no ordinary word
SHORTEST: Final = 8  # of a secret that is searched inside words; shorter ones stand alone and have a digit
SHORTEST_ALONE: Final = 4
LONGEST_EVENT: Final = 8_000
HIDDEN: Final = "(The provider's words held a credential and are left out.)"

_WORD: Final = r"(?=[\w.~+/=-]{0,64}\d)[\w.~+/=-]{6,}|[\w.~+/=-]{24,}"  # has a digit, or is longer than words
_KEYS: Final = (
    (
        re.compile(
            r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|$)",
            re.DOTALL,
        ),
        MASK,
    ),
    (re.compile(r"(?<=://)[^/\s:@]{1,200}:[^/\s@]{1,200}(?=@)"), MASK),
    (re.compile(rf"\b(bearer|basic|negotiate)(\s+|%20|\+)(?:{_WORD})", re.IGNORECASE), rf"\1 {MASK}"),
    (re.compile(r"(?<![A-Za-z0-9])sk-[\w-]{1,64}\.[^\s\"'`,;)\]}]{4,}"), MASK),
    (re.compile(r"\b(?:sk|pk|rk|gsk|xai|pplx|nvapi|csk|fw|r8|sess)[-_](?=[\w-]{0,64}\d)[\w-]{8,}"), MASK),
    (re.compile(r"\b(?:AKIA|ASIA|AROA|AIDA|AGPA|ANPA|ABIA|ACCA)[A-Z0-9]{12,}"), MASK),
    (re.compile(r"\bAIza[\w-]{30,}|\bya29\.[\w.-]{16,}|\bGOCSPX-[\w-]{16,}"), MASK),
    (re.compile(r"\b(?:hf_|ghp_|gho_|ghu_|ghs_|github_pat_|glpat-|xox[abprs]-)[\w-]{12,}"), MASK),
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]{4,}(?:\.[\w-]*)?"), MASK),
    (
        re.compile(
            r"\b((?:[\w-]{0,40}[-_ ])?(?:api[-_ ]?key|secret|password|passwd|token|authorization|"
            r"access[-_ ]?key(?:[-_ ]?id)?|credential|signature)"
            r"[\"'`]{0,2}\s{0,3}(?:[:=]|%3[ad]|\bis\b)\s{0,3}[\"'`]{0,2})"
            r"(?!\s)(?=[\w.~+/=-]{0,64}\d)(?=[\w.~+/=-]{0,64}[A-Za-z])[\w.~+/=-]{8,}",
            re.IGNORECASE,
        ),
        rf"\1{MASK}",
    ),
)
_ROOTS: Final = (
    "app|bin|boot|code|data|dev|etc|home|lib|lib64|media|mnt|nix|opt|private|proc|root|run|sbin|srv|sys|tmp|"
    "usr|var|workspace|workspaces|Users|Library|Applications|Volumes"
)
_PATHS: Final = re.compile(
    rf"(?:file://|(?<![\w.:/-]))/(?:{_ROOTS})(?:/[\w.@+~-]{{1,255}})+/?|\b[A-Za-z]:\\[^\s\"'<>|]+|\\\\[\w.-]+\\[^\s\"'<>|]+"
)
_FOUR: Final = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w]|\.\d)(?::\d{1,5}\b)?")
_SIX: Final = re.compile(
    r"\[[0-9A-Fa-f:.]{2,45}(?:%\w{1,15})?\](?::\d{1,5}\b)?|(?<![\w:.])[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:]{1,40}(?:\.\d{1,3}){0,3}"
)
_NAMES: Final = re.compile(
    r"\b(?:[\w-]{1,63}\.){1,10}(?:internal|local|localdomain|lan|intranet|corp|svc|consul|home\.arpa)\b(?::\d{1,5}\b)?"
    r"|\blocalhost(?::\d{1,5}\b)?",
    re.IGNORECASE,
)
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]{12,}={0,2}")
_HEX: Final = re.compile(r"(?:[0-9A-Fa-f]{2}[\s:]?){8,}")
_ESCAPE: Final = re.compile(r"\\u([0-9A-Fa-f]{4})|\\x([0-9A-Fa-f]{2})|\\(.)")
_FILLING: Final = re.compile(r"[\s\u200b-\u200f\u2060\ufeff\u00ad]+")


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Return the text for operators: without the given secrets and without text that looks like a key."""
    known = [secret for secret in secrets if len(secret) >= SHORTEST_ALONE]
    for secret in known:
        text = _without(text, secret)
    text = _without_keys(text)
    if "%" in text:  # as in an address, which an intermediary may have encoded once more
        plain = unquote(unquote(unquote(text)))
        masked = _without_keys(plain)
        text = masked if masked != plain else text
    return HIDDEN if any(_is_hidden_in(text, secret) for secret in known) else text


def _without_keys(text: str) -> str:
    for pattern, mask in _KEYS:
        text = pattern.sub(mask, text)
    return text


def redact_for_client(text: str, secrets: Iterable[str] = ()) -> str:
    """Return the text for tenants: also without file paths, private addresses and internal names."""
    text = _PATHS.sub("(path)", redact(text, secrets))
    text = _NAMES.sub("(address)", text)
    return _SIX.sub(_address, _FOUR.sub(_address, text))


def cleaned(message: T, secrets: Iterable[str]) -> T:
    """Return a provider's message to a tenant with each of its texts redacted."""
    texts = {name: value for name, value in msgspec.structs.asdict(message).items() if isinstance(value, str)}
    return msgspec.structs.replace(
        message, **{name: redact_for_client(text, secrets) for name, text in texts.items()}
    )


def redact_json(raw: bytes, secrets: Iterable[str]) -> bytes:
    """Return a JSON text with its strings redacted for clients; the same bytes if nothing was redacted."""
    if len(raw) > LONGEST_EVENT:
        return without_values(raw, secrets)
    try:
        document = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return without_values(raw, secrets)
    clean = _each_text(document, tuple(secrets))
    return raw if clean == document else msgspec.json.encode(clean)


def without_values(raw: bytes, secrets: Iterable[str]) -> bytes:
    """Return bytes of any kind without whole secrets; for possible content, which must not change otherwise."""
    for secret in secrets:
        for form in _forms(secret):
            raw = raw.replace(form.encode(), MASK.encode())
    return raw


def _each_text(value: Any, secrets: tuple[str, ...]) -> Any:
    if isinstance(value, str):
        return redact_for_client(value, secrets)
    if isinstance(value, list):
        return [_each_text(each, secrets) for each in value]
    if isinstance(value, dict):
        return {name: _each_text(each, secrets) for name, each in value.items()}
    return value


def _without(text: str, secret: str) -> str:
    for form in _forms(secret):
        text = re.sub(re.escape(form), MASK, text, flags=re.IGNORECASE)
    if len(secret) < SHORTEST:
        if any(letter.isdigit() for letter in secret):
            text = re.sub(rf"(?<![A-Za-z0-9]){re.escape(secret)}(?![A-Za-z0-9])", MASK, text)
        return text
    return _without_pieces(text, secret)


def _forms(secret: str) -> Iterator[str]:
    """Yield the encodings of a whole secret, if it is long enough."""
    if len(secret) < SHORTEST:
        return
    raw = secret.encode()
    yield from {secret, quote(secret, safe=""), html.escape(secret), raw.hex()}
    for ahead in range(3):  # in base64 the letters depend on the bytes before, as in "user:secret"
        encoded = base64.b64encode(bytes(ahead) + raw).rstrip(b"=").decode()
        middle = encoded[4 if ahead else 0 : len(encoded) - len(encoded) % 4]
        if len(middle) >= SHORTEST:
            yield middle
            yield middle.replace("+", "-").replace("/", "_")


def _without_pieces(text: str, secret: str) -> str:
    """Mask every run of the text that is a long piece of the secret, such as a truncated key."""
    lower, wanted = text.lower(), secret.lower()
    if len(lower) != len(text):  # a letter whose lower case is two letters: then compare case-sensitively
        lower, wanted = text, secret
    pieces = {wanted[start : start + PIECE] for start in range(len(wanted) - PIECE + 1)}
    marked = bytearray(len(lower))
    for start in range(len(lower) - PIECE + 1):
        if lower[start : start + PIECE] in pieces:
            marked[start : start + PIECE] = b"\1" * PIECE
    if not any(marked):
        return text
    kept = [letter if not mark else "\0" for letter, mark in zip(text, marked, strict=True)]
    return re.sub("\0+", MASK, "".join(kept))


def _is_hidden_in(text: str, secret: str) -> bool:
    """Whether a secret remains in a form that cannot be masked in place."""
    if len(secret) < PIECE:
        return False
    wanted = secret.lower()
    return any(wanted in reading.lower() for reading in _readings(text))


def _readings(text: str) -> Iterator[str]:
    yield _FILLING.sub("", text)
    yield text[::-1]
    plain = unquote(unquote(text))
    plain = html.unescape(_ESCAPE.sub(_unescaped, plain))
    yield plain
    yield _FILLING.sub("", plain)
    for found in _BASE64.findall(text):
        yield from _decoded(found)
    for found in _HEX.findall(text):
        digits = re.sub(r"[\s:]", "", found)
        yield bytes.fromhex(digits[: len(digits) // 2 * 2]).decode("latin-1")


def _decoded(run: str) -> Iterator[str]:
    letters = run.rstrip("=").replace("-", "+").replace("_", "/")
    for start in range(4):  # the text before it may use the same alphabet
        part = letters[start:]
        part = part[: len(part) // 4 * 4]
        yield base64.b64decode(part).decode("latin-1")


def _unescaped(found: re.Match[str]) -> str:
    digits = found.group(1) or found.group(2)
    return chr(int(digits, 16)) if digits else str(found.group(3))


def _address(found: re.Match[str]) -> str:
    text = found.group()
    host = text[1 : text.index("]")] if text.startswith("[") else text
    if "." in host and host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        return text if is_public(host) else "(address)"
    except ValueError:  # a version, a time of day, a ratio
        return text
