"""Where typed addresses may lead."""

from __future__ import annotations

import pytest

from providers.egress import EgressRefused, check_url, is_forbidden


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/v1",
        "http://localhost:8080",
        "http://[::1]/",
        "http://10.1.2.3/",
        "http://192.168.0.1/",
        "http://169.254.169.254/latest/meta-data",
        "http://[::ffff:127.0.0.1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[2002:7f00:1::]/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://0.0.0.0/",
        "http://100.64.0.1/",
        "http://metadata.google.internal/",
        "http://printer.local/",
        "http://224.0.0.1/",
        "http://localhost./",
    ],
)
def test_it_refuses_addresses_inside_the_network(url):
    with pytest.raises(EgressRefused, match="egress_allow"):
        check_url(url)


@pytest.mark.parametrize(
    "url", ["ftp://8.8.8.8/", "file:///etc/passwd", "example.com", "http://", "http://[::1", ""]
)
def test_it_refuses_what_is_not_a_web_address(url):
    with pytest.raises(EgressRefused):
        check_url(url)


def test_it_refuses_a_password_in_the_address():
    with pytest.raises(EgressRefused, match="password"):
        check_url("https://me:secret@8.8.8.8/")


def test_a_public_address_is_fine():
    check_url("https://8.8.8.8/v1")


def test_the_operator_can_allow_a_network():
    check_url("http://10.1.2.3/", allow=["10.0.0.0/8"])
    check_url("http://localhost:9000/", allow=["127.0.0.0/8", "::1/128"])


def test_allowing_one_network_allows_no_other():
    with pytest.raises(EgressRefused):
        check_url("http://192.168.0.1/", allow=["10.0.0.0/8"])


def test_an_ipv6_scope_is_ignored():
    assert is_forbidden("fe80::1%eth0")
