"""Which addresses a person may type."""

from __future__ import annotations

import pytest

from providers.egress import EgressRefused, check_url, is_forbidden, is_public


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
def test_addresses_inside_the_network_are_refused(url):
    with pytest.raises(EgressRefused, match="egress_allow"):
        check_url(url)


@pytest.mark.parametrize(
    "url", ["ftp://8.8.8.8/", "file:///etc/passwd", "example.com", "http://", "http://[::1", ""]
)
def test_an_address_that_is_not_a_web_address_is_refused(url):
    with pytest.raises(EgressRefused):
        check_url(url)


def test_an_address_with_a_password_is_refused():
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


INSIDE = """
    0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.100.100.200 127.255.255.254 169.254.169.254 172.16.0.1 172.31.255.255
    192.0.0.192 192.0.0.9 192.0.2.1 192.31.196.1 192.52.193.1 192.88.99.1 192.168.1.1 192.175.48.1 198.18.0.1
    198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255 168.63.129.16
    :: ::1 ::127.0.0.1 ::8.8.8.8 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:0:127.0.0.1 ::ffff:0:8.8.8.8
    64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 64:ff9b::a83f:8110 64:ff9b:1::1 64:ff9b:1::8.8.8.8 100::1 100:0:0:1::1
    2001::1 2001:0:7f00:1::1 2001:2::1 2001:10::1 2001:20::1 2001:db8::1 2002:7f00:1:: 2002:808:808::1
    2620:4f:8000::1 3ffe::1 3fff::1 3fff:fff::1 4000::1 5f00::1 8000::1 fc00::1 fd00:ec2::254 fd20:ce::254 fe80::1
    fe80::5efe:8.8.8.8 fec0::1 feff::1 ff02::1 2606:4700::5efe:127.0.0.1 2606:4700::200:5efe:10.0.0.1
"""
OUTSIDE = """
    1.1.1.1 8.8.8.8 99.255.255.255 100.128.0.1 126.255.255.255 128.0.0.1 168.63.129.15 168.63.129.17 172.15.255.255
    172.32.0.1 192.0.1.1 198.17.255.255 198.20.0.1 223.255.255.255 ::ffff:8.8.8.8 64:ff9b::808:808 2001:200::1
    2001:4860:4860::8888 2003::1 2606:4700::1111 2a00:1450::1 3ffd::1 2606:4700::5efe:8.8.8.8
"""


@pytest.mark.parametrize("address", INSIDE.split())
def test_what_is_not_given_out_as_public_is_inside(address):
    assert is_forbidden(address)
    assert not is_public(address)


@pytest.mark.parametrize("address", OUTSIDE.split())
def test_what_is_public_is_let_through(address):
    assert is_public(address)
    assert not is_forbidden(address)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("::ffff:10.1.2.3", "10.0.0.0/8"),
        ("64:ff9b::a01:203", "10.0.0.0/8"),
        ("64:ff9b::a01:203", "64:ff9b::/96"),
        ("fd00::7", "fd00::/8"),
        ("fe80::1%eth0", "fe80::/10"),
    ],
)
def test_an_allowed_network_is_meant_however_its_address_is_written(address, network):
    assert is_forbidden(address)
    assert not is_forbidden(address, [network])
