"""Fixtures of every test that needs running servers: one upstream and one gateway a session (a xdist worker)."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis.internal.conjecture import providers
from hypothesis.internal.constants_ast import Constants

from gateway.values.fallback_log import FALLBACKS
from tests.support import sample
from tests.support.schedule import arrange
from tests.support.servers import forked
from tests.support.servers.gateway import Gateway, merged
from tests.support.servers.ports import ClosedPort
from tests.support.servers.upstream import Upstream
from tests.support.stores import stores, templates

IS_RANDOM = os.environ.get("OMG_TEST_EXAMPLES") == "random"

# Examples are the same in each run; `make soak` draws others. How long one takes says something about the machine only.
hypothesis.settings.register_profile(
    "ours",
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
    derandomize=not IS_RANDOM,
)
hypothesis.settings.load_profile("ours")
if not IS_RANDOM:
    # Hypothesis also draws constants of the modules that are loaded: the examples would depend on the folder of the
    # project, on the tests that ran before, and on each constant that is edited. There is no setting against it.
    assert callable(providers._get_local_constants)  # noqa: SLF001
    providers._get_local_constants = Constants  # noqa: SLF001


_RUN = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    if (made := templates.open_run()) is not None:
        config.stash[_RUN] = made


def pytest_unconfigure(config: pytest.Config) -> None:
    forked.close()
    if _RUN in config.stash:
        templates.close_run(config.stash[_RUN])


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name no test by bytes that may hold the time of day, as gzip's do: all processes must collect the same names."""
    return argname if isinstance(val, bytes) and not (val.isascii() and val.decode().isprintable()) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    arrange(items)


def pytest_collection_finish() -> None:
    """Keep the garbage collector off the thousands of tests that were collected, as the server does with its code."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)


@pytest.fixture
def fallbacks() -> Callable[[], dict[str, int]]:
    """Return a function that returns the fallbacks since the test began, with their counts."""
    before = FALLBACKS.happened.copy()
    return lambda: dict(FALLBACKS.happened - before)


@pytest.fixture(scope="session")
def shared_upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upstream]:
    """Yield the scripted provider of this session."""
    server = Upstream(tmp_path_factory.mktemp("upstream") / "truth.jsonl")
    yield server
    server.close()


@pytest.fixture(scope="module")
def upstream(shared_upstream: Upstream) -> Iterator[Upstream]:
    """Yield the scripted provider; what a module's tests script is forgotten at its end."""
    yield shared_upstream
    shared_upstream.forget_scripts()


@pytest.fixture(scope="session")
def closed_port() -> Iterator[int]:
    """Yield a port of this machine without a listener."""
    held = ClosedPort()
    yield held.port
    held.close()


@pytest.fixture(scope="session")
def shared_gateway(
    shared_upstream: Upstream, closed_port: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """Yield the shared gateway with the people and models of tests/support/sample.py; never stop or change it."""
    data_dir = tmp_path_factory.mktemp("gateway") / "data"
    more = {"model_catalog": sample.failing(shared_upstream.base_url)}
    with Gateway(merged(sample.config(shared_upstream.base_url, closed_port), more), data_dir) as server:
        yield server


@pytest.fixture
def isolated_stores() -> Iterator[dict[str, str]]:
    """Yield the environment of a gateway on a PostgreSQL and a Redis of its own."""
    with stores.own() as environment:
        yield environment


FreshGateway = Callable[..., Gateway]


@pytest.fixture
def gateway_factory(
    upstream: Upstream, closed_port: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FreshGateway]:
    """Yield a factory of gateways: `gateway_factory(config)` lays it over the usual catalog and starts one."""
    made: list[Gateway] = []

    def make(
        config: Mapping[str, Any] | None = None,
        *,
        env: Mapping[str, str] | None = None,
        bare: bool = False,
        start: bool = True,
        empty: bool = False,
    ) -> Gateway:
        """`bare` takes the configuration as it is; `start=False` leaves starting to the test; `empty`: no tables."""
        base = {} if bare else sample.config(upstream.base_url, closed_port)
        data_dir = tmp_path_factory.mktemp("fresh") / "data"
        server = Gateway(merged(base, config or {}), data_dir, env, empty=empty)
        made.append(server)
        return server.start() if start else server

    yield make
    for server in made:
        server.kill()
