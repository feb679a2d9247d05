"""Where webhooks may be sent to: every trick with addresses that we know of is refused."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.errors import InvalidRequest
from chalicelib.domain.receivers import is_public, parse_receiver

NOT_PUBLIC = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "169.254.170.2",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:8.8.8.8",
    "::ffff:0:127.0.0.1",
    "64:ff9b::127.0.0.1",
    "64:ff9b::8.8.8.8",
    "64:ff9b:1::a00:1",
    "100::1",
    "2001::7f00:1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "2606:4700::5efe:7f00:1",
    "2606:4700::200:5efe:a00:1",
    "3ffe::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "2606:4700::1%eth0",
    "fec0::1",
    "ff02::1",
    "",
    "localhost",
]
PUBLIC = ["1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.1", "172.32.0.1", "192.169.0.1", "2606:4700::1111"]
TRICKS = [
    "http://example.com/",
    "ftp://example.com/",
    "file:///etc/passwd",
    "gopher://example.com/",
    "javascript:alert(1)",
    "//example.com/",
    "https:example.com",
    "https:/example.com",
    "https:///example.com",
    "https://",
    "HTTPS://example.com/",
    " https://example.com/",
    "https://example.com/ ",
    "https://example.com/\n",
    "https://example.com/\r\nX-A: b",
    "https://exa\tmple.com/",
    "https://user@example.com/",
    "https://user:secret@example.com/",
    "https://example.com@127.0.0.1/",
    "https://127.0.0.1\\@example.com/",
    "https://example.com\\.internal/",
    "https://example.com#@127.0.0.1/",
    "https://example.com/#fragment",
    "https://example.com:22/",
    "https://example.com:80/",
    "https://example.com:0/",
    "https://example.com:65536/",
    "https://example.com:+443/",
    "https://example.com:443:443/",
    "https://example.com:/",
    "https://127.0.0.1/",
    "https://127.1/",
    "https://127.0.1/",
    "https://2130706433/",
    "https://017700000001/",
    "https://0177.0.0.1/",
    "https://0x7f000001/",
    "https://0x7f.0.0.1/",
    "https://0x7f.1/",
    "https://127.000.000.001/",
    "https://127.0.0.1./",
    "https://0/",
    "https://①②⑦.⓪.⓪.①/",
    "https://127。0。0。1/",
    "https://%31%32%37.0.0.1/",
    "https://127.0.0.1%00.example.com/",
    "https://[::1]/",
    "https://[::]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[0:0:0:0:0:ffff:a9fe:a9fe]/",
    "https://[64:ff9b::a9fe:a9fe]/",
    "https://[2002:7f00:1::]/",
    "https://[fe80::1%25eth0]/",
    "https://[fd00:ec2::254]/",
    "https://[127.0.0.1]/",
    "https://[::1/",
    "https://::1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://localhost/",
    "https://LOCALHOST/",
    "https://localhost./",
    "https://a.localhost/",
    "https://metadata.google.internal/",
    "https://printer.local/",
    "https://router.lan/",
    "https://intranet/",
    "https://1.0.0.127.in-addr.arpa/",
    "https://-example.com/",
    "https://example-.com/",
    "https://example..com/",
    "https://.example.com/",
    "https://example.com./",
    "https://exämple.com/",
    "https://example.123/",
    "https://" + "a" * 64 + ".com/",
    "https://" + "a." * 130 + "com/",
    "https://example.com/" + "a" * 2048,
    "https://example.com/a b",
    'https://example.com/"',
    "https://example.com/é",
    "https://exa_mple.com/",
    "https://example.com?q=\0",
]


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_an_address_that_is_near_us_or_reserved_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(address)


@given(st.ip_addresses())
def test_what_the_standard_library_takes_for_private_is_not_public(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    # Its own tables are a second opinion; ours are stricter.
    if is_public(str(address)):
        assert address.is_global
        assert not address.is_multicast


@given(st.ip_addresses(v=4))
def test_no_ipv4_address_is_reached_in_a_disguise_of_ipv6(address: ipaddress.IPv4Address) -> None:
    number = int(address)
    disguises = [
        number,
        0xFFFF << 32 | number,
        0x64FF9B << 96 | number,
        0x2002 << 112 | number << 80 | 1,
        0x2001 << 112 | ~number & 0xFFFFFFFF,
        0x26064700 << 96 | 0x5EFE << 32 | number,
    ]
    assert [str(six) for six in map(ipaddress.IPv6Address, disguises) if is_public(str(six))] == []


@pytest.mark.parametrize("url", TRICKS)
def test_a_url_that_is_more_or_less_than_a_public_https_one_is_refused(url: str) -> None:
    with pytest.raises(InvalidRequest, match="url: must"):
        parse_receiver(url)


@pytest.mark.parametrize(
    ("url", "host", "port", "target", "authority"),
    [
        ("https://example.com", "example.com", 443, "/", "example.com"),
        ("https://Example.COM:443/a?b=c", "example.com", 443, "/a?b=c", "example.com"),
        ("https://hooks.example.com:8443/a%20b", "hooks.example.com", 8443, "/a%20b", "hooks.example.com:8443"),
        ("https://example.com?b", "example.com", 443, "/?b", "example.com"),
        ("https://xn--exmple-cua.com/", "xn--exmple-cua.com", 443, "/", "xn--exmple-cua.com"),
        ("https://1.1.1.1/x", "1.1.1.1", 443, "/x", "1.1.1.1"),
        ("https://[2606:4700::1111]:8443/", "2606:4700::1111", 8443, "/", "[2606:4700::1111]:8443"),
    ],
)
def test_a_public_https_url_is_read(url: str, host: str, port: int, target: str, authority: str) -> None:
    found = parse_receiver(url)
    assert (found.is_tls, found.host, found.port, found.target) == (True, host, port, target)
    assert found.authority == authority


@pytest.mark.parametrize("url", ["http://127.0.0.1:9000/hook", "http://localhost/", "https://[::1]:1/"])
def test_a_laptop_may_send_to_itself(url: str) -> None:
    with pytest.raises(InvalidRequest):
        parse_receiver(url)
    assert parse_receiver(url, is_local=True).port in (9000, 80, 1)


@pytest.mark.parametrize("url", ["http://user@127.0.0.1/", "http://127.1/", "http://127.0.0.1:0/", "ftp://127.0.0.1/"])
def test_a_laptop_may_send_to_itself_but_not_by_a_trick(url: str) -> None:
    with pytest.raises(InvalidRequest):
        parse_receiver(url, is_local=True)


@given(st.text(max_size=60) | st.from_regex(r"https?://[^ ]{0,40}", fullmatch=True))
def test_any_text_is_read_or_refused(url: str) -> None:
    try:
        found = parse_receiver(url)
    except InvalidRequest:
        return
    assert found.is_tls
    assert found.address is None or is_public(found.host)
