"""TLS to Redis follows the address: an own certificate authority, a client's certificate, or any server."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from budgets.redis.client.connection import RedisConnection
from gateway.stores.redis_check import redis_trouble
from tests.support.servers.ports import stop_accepting
from tests.support.stores.redis_server import RedisServer
from tests.support.waiting import eventually


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with cert.pem, its own authority and good for 127.0.0.1, and key.pem."""
    place = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "redis")])
    now = datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    made = made.add_extension(names, critical=False).add_extension(
        x509.BasicConstraints(ca=True, path_length=None), critical=True
    )
    (place / "cert.pem").write_bytes(made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    (place / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return place


@asynccontextmanager
async def behind_tls(server: RedisServer, files: Path, *, asks_back: bool = False) -> AsyncIterator[str]:
    """Yield the address at which a Redis is reached through TLS, as behind stunnel: not every build speaks it."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=files / "cert.pem")
    context.load_cert_chain(files / "cert.pem", files / "key.pem")
    context.verify_mode = ssl.CERT_REQUIRED if asks_back else ssl.CERT_NONE

    ends: list[asyncio.StreamWriter] = []
    tasks: list[asyncio.Task[None]] = []

    async def pipe(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while some := await source.read(65536):
                sink.write(some)
                await sink.drain()
        sink.transport.abort()

    async def passed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", server.port)
        ends.extend((writer, back))
        tasks.extend((asyncio.create_task(pipe(reader, back)), asyncio.create_task(pipe(there, writer))))

    listening = await asyncio.start_server(passed, "127.0.0.1", 0, ssl=context)
    try:
        yield f"rediss://127.0.0.1:{listening.sockets[0].getsockname()[1]}/0"
    finally:
        await stop_accepting(listening)
        for end in ends:
            end.transport.abort()
        await asyncio.gather(*tasks)


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    redis = RedisServer()
    redis.start()
    yield redis
    redis.kill()


async def trouble(url: str) -> str:
    """Return why the link is not up, once it has tried; "" when it is."""
    link = RedisConnection(url, "test")
    await link.open()
    try:
        await eventually(lambda: link.is_up or "reached yet" not in link.trouble, lambda known: known)
        return link.trouble
    finally:
        await link.aclose()


@pytest.mark.parametrize("trust", ["ssl_ca_certs={files}/cert.pem", "ssl_cert_reqs=none"])
async def test_a_server_trusted_by_the_address_is_connected(
    server: RedisServer, files: Path, trust: str
) -> None:
    async with behind_tls(server, files) as address:
        url = f"{address}?{trust.format(files=files)}"
        assert await asyncio.to_thread(redis_trouble, url) == ""
        assert await trouble(url) == ""


async def test_an_authority_that_is_not_configured_is_refused(server: RedisServer, files: Path) -> None:
    async with behind_tls(server, files) as address:
        assert "self-signed certificate" in await asyncio.to_thread(redis_trouble, address)
        assert "self-signed certificate" in await trouble(address)


async def test_another_name_is_refused_unless_that_is_allowed(server: RedisServer, files: Path) -> None:
    async with behind_tls(server, files) as address:
        elsewhere = f"{address}?ssl_ca_certs={files}/cert.pem".replace("127.0.0.1", "localhost")
        assert "not valid for 'localhost'" in await trouble(elsewhere)
        assert await trouble(f"{elsewhere}&ssl_check_hostname=false") == ""


async def test_a_client_shows_its_certificate(server: RedisServer, files: Path) -> None:
    async with behind_tls(server, files, asks_back=True) as address:
        trusted = f"{address}?ssl_ca_certs={files}/cert.pem"
        assert await trouble(trusted) != ""
        mine = f"&ssl_certfile={files}/cert.pem&ssl_keyfile={files}/key.pem"
        assert await asyncio.to_thread(redis_trouble, trusted + mine) == ""
        assert await trouble(trusted + mine) == ""


@pytest.mark.parametrize("name", ["ssl_ca_certs", "ssl_certfile"])
async def test_a_file_that_is_not_there_is_named(server: RedisServer, files: Path, name: str) -> None:
    async with behind_tls(server, files) as address:
        assert "/nowhere/at.pem" in await trouble(f"{address}?{name}=/nowhere/at.pem")
