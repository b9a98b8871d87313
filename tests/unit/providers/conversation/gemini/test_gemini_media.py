"""Images, sound and documents for Gemini."""

from __future__ import annotations

import pytest

from providers.conversation.apis import SentOptions
from providers.conversation.content import (
    Audio,
    Document,
    Image,
    Part,
)
from providers.conversation.gemini.request_writer import write
from providers.conversation.parameters import Unsupported
from tests.support.vendors.gemini_examples import (
    sent,
    talk,
    target,
    turn,
)


def test_media() -> None:
    parts = (
        Image(data="aQ==", media_type="image/jpg"),
        Image(url="https://x.example/a/b.PNG?size=1"),
        Image(url="gs://bucket/a", media_type="image/webp"),
        Audio("aQ==", "wav"),
        Document(data="aQ==", media_type="application/pdf", name="x.pdf"),
        Document(text="ü"),
        Document(url="https://x.example/a.pdf"),
    )
    found = sent(talk(turn("user", *parts)))["contents"][0]["parts"]

    assert found == [
        {"inlineData": {"mimeType": "image/jpeg", "data": "aQ=="}},
        {"fileData": {"mimeType": "image/png", "fileUri": "https://x.example/a/b.PNG?size=1"}},
        {"fileData": {"mimeType": "image/webp", "fileUri": "gs://bucket/a"}},
        {"inlineData": {"mimeType": "audio/wav", "data": "aQ=="}},
        {"inlineData": {"mimeType": "application/pdf", "data": "aQ=="}},
        {"inlineData": {"mimeType": "text/plain", "data": "w7w="}},
        {"fileData": {"mimeType": "application/pdf", "fileUri": "https://x.example/a.pdf"}},
    ]


@pytest.mark.parametrize(
    "part",
    [
        Image(data="aQ==", media_type="image/gif"),
        Image(url="https://x.example/picture"),
        Image(url="file:///etc/passwd.png"),
        Image(url="http://[broken.png"),
        Audio("aQ==", "midi"),
        Document(data="aQ==", media_type="application/zip"),
    ],
)
def test_media_that_gemini_does_not_take_are_refused(part: Part) -> None:
    with pytest.raises(Unsupported):
        write(talk(turn("user", part)), target(), SentOptions())
