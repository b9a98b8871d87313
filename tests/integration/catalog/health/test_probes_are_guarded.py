"""A probe may go only where a call may go: a name that leads inside after its check reaches nothing."""

from __future__ import annotations

import socket
from collections import Counter
from typing import Any

import pytest

from catalog.health.probes import probe_all
from catalog.models import Deployment, HealthProbe
from tests.integration.catalog.health.test_probes import NOON, Provider, catalog, provider

__all__ = ["provider"]
pytestmark = pytest.mark.django_db(transaction=True)

HOST = "flips.example"


class FlippingNames:
    """Stands in for the system's resolver: HOST is public for the first `truthful` questions, then inside."""

    def __init__(self, inside: str, truthful: int) -> None:
        self.inside, self.truthful = inside, truthful
        self.asked: Counter[str] = Counter()
        self._real = socket.getaddrinfo

    def getaddrinfo(self, host: str, port: Any, *args: Any, **more: Any) -> list[Any]:
        if host != HOST:
            return self._real(host, port, *args, **more)
        self.asked[host] += 1
        leads_to = "93.184.215.14" if self.asked[host] <= self.truthful else self.inside
        return self._real(leads_to, port, *args, **more)


@pytest.mark.parametrize("truthful", [0, 1, 2])
@pytest.mark.parametrize("inside", ["127.0.0.1", "::ffff:127.0.0.1"])
def test_a_name_that_flips_after_the_check_reaches_nothing_inside(
    provider: Provider, monkeypatch: pytest.MonkeyPatch, truthful: int, inside: str
) -> None:
    port = provider.server_address[1]
    catalog(f"http://{HOST}:{port}/v1", "sk-one-0000000000")
    Deployment.objects.update(edited=True)
    monkeypatch.setattr(socket, "getaddrinfo", FlippingNames(inside, truthful).getaddrinfo)
    monkeypatch.setattr("catalog.health.probes.TIMEOUT_S", 0.2)  # nothing answers at the public address

    for _ in range(truthful + 1):
        probe_all(NOON)

    assert provider.asked == []
    assert "inside this network" in HealthProbe.objects.latest("pk").error


def test_a_redirect_inside_is_not_followed(provider: Provider) -> None:
    catalog(provider.url, "sk-one-0000000000")
    provider.list_status = 302

    probe_all(NOON)

    assert [asked[:2] for asked in provider.asked] == [("GET", "/v1/models")]
    assert HealthProbe.objects.latest("pk").error == "status 302"
