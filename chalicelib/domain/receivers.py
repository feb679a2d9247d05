"""Where webhooks may be sent to: a rule about URLs, and one about the addresses that their names come to.

Both say what is allowed and refuse the rest. A URL is read by a grammar of our own, narrower than RFC 3986: two parsers
that disagree about one text is what most tricks with addresses live on.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from chalicelib.domain.errors import InvalidRequest

MAX_URL_LENGTH = 2048
PORTS = frozenset({443, 8443})
PORT_BY_SCHEME = {"https": 443, "http": 80}
URL_PATTERN = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?(?P<query>\?[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?"
)
LABEL_PATTERN = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)")
LOCAL_SUFFIXES = ("localhost", "local", "localdomain", "internal", "intranet", "lan", "home.arpa", "arpa", "onion")
"""Names that are not the public DNS's to answer."""
NOT_PUBLIC_V4 = tuple(
    map(
        ipaddress.IPv4Network,
        (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",  # carriers' NAT; one cloud's metadata
            "127.0.0.0/8",
            "168.63.129.16/32",  # one cloud's platform address
            "169.254.0.0/16",  # link-local; metadata of most clouds
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.31.196.0/24",
            "192.52.193.0/24",
            "192.88.99.0/24",  # relays of 6to4
            "192.168.0.0/16",
            "192.175.48.0/24",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",
            "240.0.0.0/4",
        ),
    )
)
"""Source: the registry of special-purpose IPv4 addresses of IANA, and its multicast space."""
PUBLIC_V6 = ipaddress.IPv6Network("2000::/3")
NOT_PUBLIC_V6 = tuple(
    map(
        ipaddress.IPv6Network,
        (
            "2001::/23",  # Teredo, ORCHID, benchmarks
            "2001:db8::/32",
            "2002::/16",  # 6to4: an IPv4 address within
            "2620:4f:8000::/48",
            "3fff::/20",
            "3ffe::/16",
        ),
    )
)
"""Of `PUBLIC_V6`. What lies outside of that is refused as a whole: loopback, IPv4 in any form (mapped, compatible,
NAT64), unique local, link-local, site-local, multicast. Source: the registries of IANA, RFC 4291, RFC 6052."""
ISATAP = (0x00005EFE, 0x02005EFE)
"""The upper half of an interface id that has an IPv4 address within. Source: RFC 5214."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Receiver:
    """The parts of a URL that may be sent to."""

    is_tls: bool
    host: str
    """A name in lower case, or an address without brackets."""
    port: int
    target: str
    """Path and query, as they go into the request."""

    @property
    def authority(self) -> str:
        """The value of the header `Host`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = PORT_BY_SCHEME["https" if self.is_tls else "http"]
        return host if self.port == usual else f"{host}:{self.port}"

    @property
    def address(self) -> Address | None:
        """The address, when the host is one and no name."""
        return _address(self.host)


def parse_receiver(url: str, *, is_local: bool = False) -> Receiver:
    """The receiver that a URL names.

    With `is_local`, as on a laptop, it may also speak HTTP, on any port, under any name or address.

    Raises:
        InvalidRequest: nothing may be sent there, and why.
    """
    if len(url) > MAX_URL_LENGTH:
        raise _refused(f"must have at most {MAX_URL_LENGTH} characters but has {len(url)}")
    match = URL_PATTERN.fullmatch(url)
    if match is None:
        raise _refused("must be https://host/path with a plain host: no user, no fragment, ASCII only")
    scheme, host = match["scheme"], match["host"].lower().strip("[]")
    if scheme != "https" and not is_local:
        raise _refused("must be https")
    port = int(match["port"]) if match["port"] else PORT_BY_SCHEME[scheme]
    if not (0 < port < 65536 if is_local else port in PORTS):
        raise _refused(f"must have one of the ports {sorted(PORTS)} but has {port}")
    if _address(host) is None:
        _check_name(host, is_local=is_local)
    elif not is_local and not is_public(host):
        raise _refused("must not be at an address that is private, local or reserved")
    return Receiver(scheme == "https", host, port, (match["path"] or "/") + (match["query"] or ""))


def is_public(address: str) -> bool:
    """Whether the address belongs to a host of the public internet, and to nothing that is near us."""
    parsed = _address(address)
    if isinstance(parsed, ipaddress.IPv4Address):
        return not any(parsed in network for network in NOT_PUBLIC_V4)
    if parsed is None or parsed not in PUBLIC_V6 or parsed.scope_id is not None:
        return False
    has_v4_within = int(parsed) >> 32 & 0xFFFFFFFF in ISATAP
    return not has_v4_within and not any(parsed in network for network in NOT_PUBLIC_V6)


def _check_name(host: str, *, is_local: bool) -> None:
    labels = host.split(".")
    if len(host) > 253 or not all(LABEL_PATTERN.fullmatch(label) for label in labels):
        raise _refused("must have a host name of letters, digits, '-' and '.', or an address in its usual form")
    # `127.1`, `0x7f.1` and `2130706433` are addresses to those who resolve them.
    if not labels[-1][0].isalpha():
        raise _refused("must have a host name that ends in a top-level domain, or an address in its usual form")
    is_of_a_net = host in LOCAL_SUFFIXES or host.endswith(tuple(f".{suffix}" for suffix in LOCAL_SUFFIXES))
    if not is_local and (len(labels) < 2 or is_of_a_net):
        raise _refused("must have a host name of the public DNS")


def _address(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _refused(why: str) -> InvalidRequest:
    return InvalidRequest(f"url: {why}")
