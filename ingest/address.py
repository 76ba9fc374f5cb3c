"""Is a URL this machine's own, and how is it shown? Knows nothing of who asks."""

import ipaddress
from urllib.parse import urlsplit


def shown(url: str) -> str:
    """The URL without a user name and password, for display and for what is stored."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def loopback(url: str) -> bool:
    """Is the host of the URL this machine? Such a one is never asked through a proxy."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def nearby(url: str) -> bool:
    """Is the host of the URL on this machine or in its own network, where one waits for a model of one's own?"""
    host = urlsplit(url).hostname or ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return loopback(url) or "." not in host or host.endswith((".local", ".internal", ".lan"))
    return address.is_private or address.is_link_local
