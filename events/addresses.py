"""Where deliveries may go: public HTTPS addresses, never into our own network. Pure.

An operator names the receivers, but whoever controls a receiver's name server decides what address it has.
So the address that a connection goes to is what is checked, at every connection (`events.sender`).
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import urlsplit

URL_LENGTH_MAX: Final = 1_024

type Address = IPv4Address | IPv6Address

# Public by number, and yet not the internet: Azure's own endpoint in every virtual network (DNS, health,
# agents), and relays of 6to4, which lead to embedded addresses.
_REFUSED: Final = (IPv4Network("168.63.129.16/32"), IPv4Network("192.88.99.0/24"))

# The only range from which public IPv6 addresses are given out, and in it the transitions that embed an IPv4
# address: Teredo and 6to4. The others (mapped, compatible, NAT64) lie outside.
_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
_EMBEDDING: Final = (IPv6Network("2001::/32"), IPv6Network("2002::/16"))


class AddressRefused(Exception):
    """Nothing is delivered there; the text says why (becomes 422 where an operator names it)."""


def check_url(url: str, *, allows_private: bool = False) -> None:
    """Refuse URLs that deliveries must not go to, as far as the text tells.

    Args:
        url: Of a receiver.
        allows_private: Local development: plain http and addresses of this machine are fine.

    Raises:
        AddressRefused: It is not https, has a user, a fragment, or an address that is not public.
    """
    if (
        len(url) > URL_LENGTH_MAX
        or not url.isascii()
        or not url.isprintable()
        or set(url) & set(' "<>\\^`{|}')
    ):
        raise AddressRefused("The URL must be printable ASCII of at most 1,024 characters.")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise AddressRefused("This is no URL.") from None
    if parts.scheme != "https" and not (allows_private and parts.scheme == "http"):
        raise AddressRefused("The URL must begin with https://.")
    if not host or port == 0:
        raise AddressRefused("The URL has no usable host.")
    if "@" in parts.netloc or parts.fragment:
        raise AddressRefused("The URL must have no user, password or fragment.")
    check_host(host, allows_private=allows_private)


def check_host(host: str, *, allows_private: bool = False) -> None:
    """Refuse addresses in place of a name that are not public, and what a library could read as one.

    Raises:
        AddressRefused: See above.
    """
    try:
        address = ip_address(host)
    except ValueError:
        # 127.1, 2130706433 and 0x7f.1 are addresses to a resolver: no name ends in a number.
        last = host.rstrip(".").rpartition(".")[2].lower()
        if last.isdigit() or last.startswith("0x"):
            raise AddressRefused("The host is neither a name nor an address.") from None
        return
    check_address(address, allows_private=allows_private)


def check_address(address: Address, *, allows_private: bool = False) -> None:
    """Refuse addresses that are not on the public internet.

    Raises:
        AddressRefused: It is not.
    """
    if not allows_private and not is_public(address):
        raise AddressRefused("The address is not on the public internet.")


def is_public(address: Address) -> bool:
    """Tell whether an address is on the public internet."""
    if isinstance(address, IPv4Address):
        return address.is_global and not address.is_multicast and not any(address in net for net in _REFUSED)
    return (
        address in _GLOBAL_UNICAST
        and address.is_global
        and not address.is_multicast
        and not any(address in net for net in _EMBEDDING)
    )
