from __future__ import annotations

import pytest

from tests.bench import answers
from tests.bench.answer_reader import Answer, AnswerReader, MalformedAnswer
from tests.bench.workloads import CHAT, EMBED, FRAMED, STREAM, Workload, is_whole

PLAIN = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nx-trailer: 1\r\n\r\n"
)
EMPTY = b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (PLAIN, Answer(200, b"hello", keep_alive=True)),
        (CHUNKED, Answer(200, b"hello", keep_alive=True)),
        (EMPTY, Answer(429, b"", keep_alive=False)),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + PLAIN, Answer(200, b"hello", keep_alive=True)),
    ],
)
def test_reader_finds_the_end_of_an_answer_for_every_split(sent: bytes, answer: Answer):
    for split in range(1, len(sent)):
        reader = AnswerReader()
        assert reader.feed(sent[:split]) is None
        assert reader.feed(sent[split:]) == answer


def test_reader_reads_one_answer_after_another_on_a_connection():
    reader = AnswerReader()
    whole = Answer(200, b"hello", keep_alive=True)
    assert [reader.feed(sent) for sent in (PLAIN, CHUNKED, PLAIN)] == [whole] * 3


def test_reader_reads_an_answer_that_arrives_byte_by_byte():
    reader = AnswerReader()
    found = [reader.feed(CHUNKED[at : at + 1]) for at in range(len(CHUNKED))]
    assert found[-1] == Answer(200, b"hello", keep_alive=True)
    assert not any(found[:-1])


@pytest.mark.parametrize(
    "sent", [b"SSH-2.0-OpenSSH\r\n", PLAIN + PLAIN, PLAIN + b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhe"]
)
def test_reader_refuses_input_that_is_not_exactly_one_answer(sent: bytes):
    with pytest.raises(MalformedAnswer):
        AnswerReader().feed(sent)


@pytest.mark.parametrize(
    ("workload", "sent"),
    [
        (CHAT, answers.chat_answer()),
        (EMBED, answers.embedding_answer(packed=False)),
        (EMBED, answers.embedding_answer(packed=True)),
        (STREAM, answers.stream_answer(metered=False, framed=False)),
        (STREAM, answers.stream_answer(metered=True, framed=False)),
        (FRAMED, answers.stream_answer(metered=True, framed=True)),
    ],
)
def test_the_upstream_says_what_the_load_takes_for_whole(workload: Workload, sent: bytes):
    answer = AnswerReader().feed(sent)
    assert answer is not None
    assert is_whole(workload, answer.body)
    assert workload.mark in answer.body
    assert answer.body.endswith(workload.ending)


@pytest.mark.parametrize(
    ("workload", "body"),
    [
        (CHAT, b'{"choices":[],"usage":{"total_tokens":151}}'),
        (CHAT, b"<html>"),
        (STREAM, b'data: {"choices":[{"delta":{"content":"half"}}]}\n\ndata: [DONE]\n\n'),
        (EMBED, b'{"data":[{"embedding":[0.5]}]}'),
    ],
)
def test_a_wrong_answer_is_not_whole(workload: Workload, body: bytes):
    assert not is_whole(workload, body)
