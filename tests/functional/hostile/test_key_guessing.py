"""Keys are guessed from a shared address: callers with a valid key are served, however new it is."""

from __future__ import annotations

import asyncio
import itertools

from tests.support import sample
from tests.support.clients.raw_calls import question
from tests.support.servers.commands import run_each

CHAT = "/v1/chat/completions"
GUESSES = 250
NUMBERS = itertools.count()


async def guess(client, count=GUESSES):
    """Return the codes of so many guesses, each on a prefix of its own."""

    async def one(number):
        headers = {"authorization": f"Bearer sk-guess{number}.wrong", "connection": "close"}
        return (await client.get("/v1/models", headers=headers)).status_code

    return await asyncio.gather(*(one(number) for number in itertools.islice(NUMBERS, count)))


async def call(gateway, key):
    async with gateway.client(key) as client:  # a connection of its own, taken by any worker
        return await client.post(CHAT, json=question("chat"))


async def test_a_valid_key_is_served_while_other_clients_guess_and_every_guess_is_refused(
    gateway_factory,
):
    """Not one that no worker has seen, nor one that was made a moment ago."""
    gateway = gateway_factory()
    async with gateway.client() as stranger:
        codes: set[int] = set()
        while 429 not in codes:
            codes |= set(await guess(stranger))
        assert codes == {401, 429}
        for key in (sample.ALICE, sample.BOB):
            for _ in range(4):
                assert (await call(gateway, key)).status_code == 200
        await guesses_at_the_secret_of_a_known_prefix_are_answered(stranger)
        assert (await call(gateway, sample.CHARLIE)).status_code == 200
        names = [f"made while they guess {number}" for number in range(3)]
        made = run_each(gateway, *(["create_key", "alice-co", "--name", name] for name in names))
        for _, lines in made:
            token = next(word for line in lines for word in line.split() if word.startswith("sk-"))
            await guess(stranger, 20)
            assert {(await call(gateway, token)).status_code for _ in range(4)} == {200}


async def guesses_at_the_secret_of_a_known_prefix_are_answered(stranger):
    prefix = sample.CHARLIE.removeprefix("sk-").partition(".")[0]
    for number in range(20):
        headers = {"authorization": f"Bearer sk-{prefix}.wrong{number}"}
        assert (await stranger.get("/v1/models", headers=headers)).status_code == 401
