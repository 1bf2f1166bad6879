"""Deliveries go to the public internet, whatever a URL or a name server says."""

from ipaddress import ip_address

import pytest

from events.addresses import AddressRefused, check_url, is_public

PRIVATE = [
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",  # noqa: S104 - an address that must be refused
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.169.254",  # metadata of every cloud
    "168.63.129.16",  # Azure's own endpoint inside of virtual networks
    "100.64.0.1",
    "100.127.255.255",
    "192.0.0.1",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:8.8.8.8",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "fec0::1",
    "ff02::1",
]


@pytest.mark.parametrize("text", PRIVATE)
def test_addresses_of_networks_are_not_public(text):
    assert not is_public(ip_address(text))


@pytest.mark.parametrize("text", PRIVATE)
def test_urls_with_such_addresses_are_refused(text):
    with pytest.raises(AddressRefused):
        check_url(f"https://[{text}]/" if ":" in text else f"https://{text}/")


@pytest.mark.parametrize(
    "text", ["8.8.8.8", "172.15.0.1", "172.32.0.1", "100.63.0.1", "100.128.0.1", "2606:4700::1111"]
)
def test_addresses_of_the_internet_are_public(text):
    assert is_public(ip_address(text))


@pytest.mark.parametrize(
    "url",
    [
        "http://app.example/",
        "ftp://app.example/",
        "file:///etc/passwd",
        "app.example",
        "https://",
        "https:///path",
        "https://user@app.example/",
        "https://user:pass@app.example/",
        "https://app.example@10.0.0.1/",
        "https://app.example/#fragment",
        "https://app.example:0/",
        "https://app.example:99999/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0x7f.0.0.1/",
        "https://017700000001/",
        "https://127.0.0.1./",
        "https://app.example/\r\nX: y",
        "https://app.example/ x",
        "https://app.example\\@10.0.0.1/",
        "https://äpp.example/",
        "https://[::1/",
        "https://app.example/" + "x" * 1_024,
    ],
)
def test_unfit_urls_are_refused(url):
    with pytest.raises(AddressRefused):
        check_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://app.example/events?a=1",
        "https://app.example:8443/",
        "https://8.8.8.8/",
        "https://xn--pp-uia.example/",
    ],
)
def test_public_urls_are_fit(url):
    check_url(url)


def test_local_development_may_use_this_machine():
    check_url("http://127.0.0.1:8000/events", allows_private=True)
    check_url("http://localhost:8000/events", allows_private=True)
    with pytest.raises(AddressRefused):
        check_url("ftp://127.0.0.1/", allows_private=True)
