"""A URL -> where a request may go: http and https on ports 80 and 443, to public names and addresses only.

One strict parser, so that what is checked is what is connected to. Opens no connection.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import quote

import idna

from ingest import UserError

PORTS = (80, 443)

_URL = re.compile(r"(https?)://([^/?#]*)((?:/[^?#]*)?)((?:\?[^#]*)?)(?:#.*)?", re.IGNORECASE | re.DOTALL)
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMERIC = re.compile(r"\d+|0x[0-9a-f]*")
_LOCAL_NAMES = ("localhost", "localdomain", "local", "internal", "intranet", "lan", "home", "corp",
                "home.arpa", "onion")  # fmt: skip
_PRIVATE_V4 = [ip_network(n) for n in (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
    "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15",
    "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
    "168.63.129.16/32")]  # fmt: skip  # the last: Azure's host service
_PUBLIC_V6 = ip_network("2000::/3")
# Teredo and other protocol assignments, documentation, 6to4: the last and first embed IPv4 addresses.
_SPECIAL_V6 = [ip_network(n) for n in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")]


class FetchError(UserError):
    """The URL was refused or could not be fetched; the message says why."""


@dataclass(frozen=True)
class Target:
    """A URL taken apart by the one parser: what is checked is what is connected to."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def url(self) -> str:
        """The URL written plainly, without a default port and without a fragment."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = 443 if self.scheme == "https" else 80
        return f"{self.scheme}://{host}{'' if self.port == default else f':{self.port}'}{self.path}"


def parse_url(url: str) -> Target:
    """Take a URL apart, strictly; raises `FetchError` for what two parsers might read differently."""
    if any(c <= " " or c == "\\" or "\x7f" <= c <= "\xa0" for c in url):
        raise FetchError("the URL has a space, a control character or a backslash in it")
    match = _URL.fullmatch(url)
    if not match:
        raise FetchError("only http:// and https:// URLs are fetched")
    scheme, authority, path, query = match.groups()
    if "@" in url.split("://", 1)[1].split("/", 1)[0]:
        raise FetchError("the URL has a user name in it")
    host, port = _host_and_port(authority, scheme.lower())
    target = quote((path or "/") + query, safe="/?:@!$&'()*+,;=%-._~[]|")
    return Target(scheme.lower(), host, port, target)


def _host_and_port(authority: str, scheme: str) -> tuple[str, int]:
    match = re.fullmatch(r"(\[[^\]]*\]|[^:\[\]]*)(?::(\d{1,5}))?", authority)
    if not match or not match[1]:
        raise FetchError("the URL has no proper host")
    port = int(match[2]) if match[2] else 443 if scheme == "https" else 80
    if port not in PORTS:
        raise FetchError(f"port {port} is not allowed, only {PORTS[0]} and {PORTS[1]}")
    if match[1].startswith("["):
        return str(_literal(match[1][1:-1], IPv6Address)), port
    return _host(match[1]), port


def _literal(text: str, kind: type[IPv4Address] | type[IPv6Address]) -> IPv4Address | IPv6Address:
    if "%" in text:
        raise FetchError("the URL's address has a zone in it")
    try:
        return kind(text)
    except ValueError as error:
        raise FetchError("the URL's host is not a proper address") from error


def _host(text: str) -> str:
    """A host name in lower-case ASCII, or a dotted IPv4 address in its only plain form."""
    try:
        name = text.lower() if text.isascii() else idna.encode(text, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError) as error:
        raise FetchError("the URL's host is not a proper name") from error
    name = name.removesuffix(".")
    labels = name.split(".")
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise FetchError("the URL's host is not a proper name")
    if _NUMERIC.fullmatch(labels[-1]):
        return str(_literal(name, IPv4Address))
    if len(labels) == 1 or any(name == local or name.endswith("." + local) for local in _LOCAL_NAMES):
        raise FetchError(f"{name} is a name of a local network")
    return name


def public_address(text: str) -> bool:
    """Whether an IP address is public unicast and embeds no other address (mapped, 6to4, NAT64, Teredo)."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _PRIVATE_V4)
    return address.scope_id is None and address in _PUBLIC_V6 and not any(address in network for network in _SPECIAL_V6)
