"""Is a URL this machine's own? Such a one is never asked through a proxy. Knows nothing of who asks."""

import ipaddress
from urllib.parse import urlsplit


def loopback(url: str) -> bool:
    """Is the host of the URL this machine?"""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
