"""Bodies at random over the product's own tables of members: what a client may send, and how many tokens an honest
provider can read in it at most. A member that is added to a table is tried without an edit here.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

import msgspec

from providers.requests import chat, embeddings
from providers.requests.money_classes import Money, Table
from tests.support.clients.media import data_url, jpeg, png, wav

NEVER_SERVED = (Money.DESTINATION, Money.REFUSED, Money.FEATURE)
REFUSED_SHARE = 0.15
UNKNOWN = ("nobody_knows", "maxtokens_", "vendor_option", "Max_Tokens")
NEUTRAL: tuple[Any, ...] = (None, False, 0, {}, [], "")
CAPS = (1, 5, 40, 400, 100_000)
BYTES_A_SECOND = 1_000
SPOKEN_A_SECOND = 32  # the densest published tokenizer of sounds
WORDS = ("word", "return 1", "    if x:", "naïve", "日本語", "🙂", '{"a": 1}', "http://x/y")


class Body(msgspec.Struct):
    """`most_prompt` is what an honest provider may bill for reading it; `sounds` of it are sound."""

    path: str
    members: dict[str, Any]
    most_prompt: int
    sounds: int = 0
    speaks: bool = False

    @property
    def streams(self) -> bool:
        return self.members.get("stream") is True


class Deck:
    """Deals the members of a table like cards, so that each comes up before one comes twice. Most of what it deals may
    be served: what is refused whatever else is there is a pile of its own.
    """

    def __init__(self, dice: random.Random, table: Table) -> None:
        self._dice, self._table = dice, table
        self._piles: list[list[str]] = [[], []]

    def deal(self) -> dict[str, Any]:
        is_refused = self._dice.random() < REFUSED_SHARE
        pile = self._piles[is_refused]
        if not pile:
            refused = [name for name, row in self._table.items() if row.money in NEVER_SERVED or row.shares]
            served = [name for name in [*self._table, *UNKNOWN] if name not in refused]
            pile += refused if is_refused and refused else served
            self._dice.shuffle(pile)
        name = pile.pop()
        return {name: self._value(self._table[name].money if name in self._table else Money.FREE)}

    def _value(self, money: Money) -> Any:
        dice = self._dice
        if money is Money.CAP:
            return dice.choice((1, 2, 3, 40, None, "12"))
        if money is Money.TEXT and dice.random() < 0.7:
            return dice.choice((text(dice), [text(dice)], {"d": text(dice)}))
        plain: tuple[Any, ...] = (1, "word", dice.randint(-2, 2_000), True, False, None, {}, [], [{"a": 1}])
        return dice.choice(plain)


def text(dice: random.Random) -> str:
    return " ".join(dice.choices(WORDS, k=dice.choice((1, 60, 60))))


class Bodies:
    """What a client sends, body after body."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._chat, self._embeddings = Deck(dice, chat.MEMBERS), Deck(dice, embeddings.MEMBERS)
        self._message, self._part = Deck(dice, chat.MESSAGE), Deck(dice, chat.PART)

    def make(self, kind: str, alias: str, window: int | None) -> Body:
        """Return a body of this kind for a model: chat, words, or embeddings."""
        if kind == "words":
            return self.words(alias)
        return self.embeddings(alias, window) if kind == "embeddings" else self.chat(alias, window)

    def chat(self, alias: str, window: int | None) -> Body:
        """Return a chat of words, with a few of the members; many are of a kind that is refused."""
        dice = self._dice
        messages = [self._a_message() for _ in range(dice.choice((1, 1, 2, 4)))]
        members = {"model": alias, "messages": messages}
        if dice.random() < 0.5:
            members |= self._chat.deal()
        if dice.random() < 0.3:
            members |= self._chat.deal()
        members |= self._usual() | {"model": alias, "messages": messages}
        sounds, pictures, base64 = self._media(messages)
        most = len(msgspec.json.encode(members)) - base64 + pictures + sounds + 4 * len(messages) + 3
        if members.get("tools"):
            most += 300  # the text that a template puts around them
        if window is not None:
            is_wide = _is_wide(members, chat.MEMBERS) or any(_refers(message) for message in messages)
            most = window if is_wide else min(most, window)
        speaks = "audio" in str(members.get("modalities"))
        return Body("/v1/chat/completions", members, most, min(sounds, most), speaks)

    def embeddings(self, alias: str, window: int | None) -> Body:
        dice = self._dice
        several = [text(dice) for _ in range(dice.randint(1, 5))]
        tokens = [dice.randrange(100_000) for _ in range(dice.randint(1, 40))]
        given = dice.choice((several[0], several, tokens, [tokens, tokens[:1]]))
        members = {"model": alias, "input": given}
        if dice.random() < 0.5:
            members |= self._embeddings.deal() | self._embeddings.deal()
            members |= {"model": alias, "input": given}
        inputs = len(given) if isinstance(given, list) else 1
        is_text = isinstance(given, str) or isinstance(given[0], str)
        most = len(msgspec.json.encode(given)) if is_text else json.dumps(given).count(",") + 1
        most += sum(len(msgspec.json.encode(members[name])) for name in members if _is_text(name))
        if window is not None and _is_wide(members, embeddings.MEMBERS):
            most = window * inputs
        return Body("/v1/embeddings", members, most)

    def words(self, alias: str) -> Body:
        """Return a chat of words that are a token each, so that it can be counted exactly, and costs a fifth of its
        bytes.
        """
        many = [self._dice.choice((10, 500, 3_000)) for _ in range(self._dice.randint(1, 3))]
        messages = [{"role": "user", "content": " word" * count} for count in many]
        members = {"model": alias, "messages": messages, "max_tokens": self._dice.choice((5, 400))}
        members |= {"stream": True} if self._dice.random() < 0.5 else {}
        return Body("/v1/chat/completions", members, sum(many) + 4 * len(many) + 3)

    def _usual(self) -> dict[str, Any]:
        """Return what usual calls have: a stream, a cap, choices, tools."""
        dice = self._dice
        found: dict[str, Any] = {}
        if dice.random() < 0.55:
            found["stream"] = True
            options: tuple[dict[str, bool], ...] = (
                {},
                {"include_usage": True},
                {"include_usage": True, "continuous_usage_stats": True},
            )
            found |= {"stream_options": dice.choice(options)} if dice.random() < 0.4 else {}
        for name in dice.choice(((), (), ("max_tokens",), ("max_completion_tokens",))):
            found[name] = dice.choice(CAPS)
        if dice.random() < 0.3:
            found["n"] = dice.choice((1, 2, 4))
        if dice.random() < 0.15:
            function = {"name": "f", "description": text(dice), "parameters": {"type": "object"}}
            found["tools"] = [{"type": "function", "function": function}]
        if dice.random() < 0.1:
            found["response_format"] = {"type": "json_schema", "json_schema": {"schema": {"d": text(dice)}}}
        if dice.random() < 0.05:
            found["modalities"] = ["text", "audio"]
        return found

    def _a_message(self) -> dict[str, Any]:
        dice = self._dice
        parts = [self._a_part() for _ in range(dice.randint(1, 3))]
        content = parts if dice.random() < 0.3 else text(dice)
        message = {"role": dice.choice(("user", "system", "assistant")), "content": content}
        return self._message.deal() | message if dice.random() < 0.1 else message

    def _a_part(self) -> dict[str, Any]:
        dice = self._dice
        width, height = dice.randint(1, 3_000), dice.randint(1, 3_000)
        makers = (
            lambda: {"type": "text", "text": text(dice)},
            lambda: {"type": "image_url", "image_url": {"url": data_url(png(width, height, 3_000))}},
            lambda: {"type": "image_url", "image_url": {"url": data_url(jpeg(width, height, 2_000))}},
            lambda: {"type": "image_url", "image_url": {"url": "http://x/y.png"}},
            lambda: {"type": "input_audio", "input_audio": {"format": "wav", "data": self._sound()}},
            lambda: {"type": "video_url", "video_url": {"url": "http://x/y.mp4"}},
            lambda: {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERi0="}},
            self._part.deal,
        )
        return dice.choices(makers, (8, 3, 3, 2, 3, 1, 1, 2))[0]()

    def _sound(self) -> str:
        return data_url(wav(self._dice.randint(1, 5), rate=BYTES_A_SECOND // 2)).partition(",")[2]

    def _media(self, messages: list[dict[str, Any]]) -> tuple[int, int, int]:
        """Return the tokens of sounds and of pictures, and how many characters of the body they are."""
        sounds = pictures = characters = 0
        for part in _parts(messages):
            url = part["image_url"].get("url", "") if isinstance(part.get("image_url"), dict) else ""
            if url:
                pictures += self._picture(url)
                characters += len(url.partition(",")[2]) if url.startswith("data:") else 0
            if isinstance(part.get("input_audio"), dict) and "data" in part["input_audio"]:
                data = part["input_audio"]["data"]
                sounds += len(data) * 3 // 4 // BYTES_A_SECOND * SPOKEN_A_SECOND
                characters += len(data)
        return sounds, pictures, characters

    def _picture(self, url: str) -> int:
        """Return what one of the families that serve under any name counts: patches of 28 pixels, or always as much."""
        if not url.startswith("data:"):
            return 2_880
        return self._dice.choice((85, 765, 1_445, 2_880))


def _parts(messages: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for message in messages:
        if isinstance(message["content"], list):
            yield from message["content"]


def _refers(message: dict[str, Any]) -> bool:
    """Say whether a message refers to something outside of it."""
    return any(part.get("type") in ("video_url", "file") for part in _parts([message]))


def _is_wide(members: dict[str, Any], table: Table) -> bool:
    """Say whether a member may be as large as the context window: it is unknown, or it is a reference."""
    stated = [name for name, value in members.items() if value not in NEUTRAL]
    return any(name not in table or table[name].money is Money.REFERENCE for name in stated)


def _is_text(name: str) -> bool:
    row = embeddings.MEMBERS.get(name)
    return name != "input" and row is not None and row.money is Money.TEXT
