"""Which addresses of the network may be called on a user's word: public ones, never one of an inside network."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address

RESOLVER_THREADS = 4
"""Names that are looked up at one time; the system's resolver cannot be hurried."""

_REFUSED = (
    IPv4Network("168.63.129.16/32"),  # public by its number, and the platform's own service on each machine of Azure
    IPv4Network("192.0.0.0/24"),  # of protocols, and metadata at one host; older Pythons call most of it global
    IPv4Network("192.88.99.0/24"),  # relays of 6to4, wherever they lead
    IPv6Network("64:ff9b:1::/48"),  # a network's own translation to IPv4
)
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")
_ISATAP = (0x00005EFE, 0x02005EFE)


def is_public(address: Address) -> bool:
    """Whether anybody on the internet could be meant by it, and by every IPv4 address that it carries within."""
    if not address.is_global or address.is_multicast or any(address in network for network in _REFUSED):
        return False
    if isinstance(address, IPv4Address):
        return True
    return (address in _GLOBAL_UNICAST or address in _NAT64) and all(map(is_public, _carried(address)))


def leads_outside(address: Address) -> bool:
    """Whether an address is public, and is not this machine's own."""
    return is_public(address) and not is_of_this_machine(address)


def is_of_this_machine(address: Address) -> bool:
    """Whether this machine has the address: what is sent to it would come from it. Nothing is sent to find out."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with closing(socket.socket(family, socket.SOCK_DGRAM)) as probe:
        try:
            probe.connect((str(address), 9))
        except OSError:  # no way there at all
            return False
        return ip_address(probe.getsockname()[0]) == address


class Resolver:
    """Names to addresses, by the machine's own resolver, within a time limit."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(RESOLVER_THREADS, "assay-resolve")

    def __call__(self, name: str, within_s: float) -> tuple[Address, ...]:
        """Every address of a name, in the resolver's order.

        Raises:
            OSError: there is none, or the resolver takes too long (`TimeoutError`).
        """
        found: Future[list[str]] = self._threads.submit(_looked_up, name)
        try:
            return tuple(dict.fromkeys(map(ip_address, found.result(within_s))))
        except TimeoutError:
            found.cancel()
            raise

    def close(self) -> None:
        """Takes no more names."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _looked_up(name: str) -> list[str]:
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except UnicodeError:  # a label that no name can have
        raise OSError("no such name") from None
    return [str(address[0]).partition("%")[0] for *_, address in found]


def _carried(address: IPv6Address) -> Iterator[IPv4Address]:
    """The IPv4 addresses that stand within an IPv6 address, by each way that there is to write one into it."""
    number = int(address)
    last = IPv4Address(number & 0xFFFFFFFF)
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo
    if address in _NAT64 or (number >> 32) & 0xFFFFFFFF in _ISATAP or number >> 32 == 0:
        yield last
