"""Public addresses, by IANA's registries rather than by Python's `is_global`."""

import pytest

from relais.public_addresses import is_public


@pytest.mark.parametrize(
    "address",
    [
        "8.8.8.8",
        "1.1.1.1",
        "100.63.255.255",
        "100.128.0.0",
        "172.32.0.1",
        "192.0.1.1",
        "198.20.0.1",
        "223.255.255.1",
    ]
    + ["2606:4700::1111", "2a00:1450:4007::200e", "2001:4860:4860::8888", "2400:cb00::1", "2001:200::1"],
)
def test_globally_assigned_addresses_are_public(address):
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    ["0.0.0.0", "10.1.2.3", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.254", "168.63.129.16"]
    + [
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.0.9",
        "192.0.0.192",
        "192.0.2.1",
    ]
    + ["192.88.99.1", "192.168.1.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1"]
    + ["224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255"],
)
def test_special_purpose_addresses_are_not_public(address):
    assert not is_public(address)
    mapped = f"::ffff:{address}"
    assert not is_public(mapped)


@pytest.mark.parametrize(
    "address",
    ["::", "::1", "::127.0.0.1", "::8.8.8.8", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::ffff:0:127.0.0.1"]
    + ["64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b::808:808", "64:ff9b:1::1", "100::1", "5f00::1"]
    + ["2001::1", "2001:0:7f00:1::1", "2001:2::1", "2001:10::1", "2001:20::1", "2001:db8::1"]
    + ["2002:7f00:1::1", "2002:a9fe:a9fe::1", "2620:4f:8000::1", "3ffe::1", "3fff::1", "4000::1"]
    + ["fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1", "feff::1", "ff02::1"],
)
def test_no_special_ipv6_block_is_public_nor_an_ipv4_address_within_one(address):
    assert not is_public(address)
