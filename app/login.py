"""Who may come in: names and passwords, the cookie that a log-in earns until it ends, and how often one may try."""

import base64
import hashlib
import hmac
import ipaddress
import secrets
from collections import deque
from time import monotonic

COOKIE = "reading_room"
TRIES = 10  # wrong passwords from one address in WINDOW seconds; then 429
ALL_TRIES = 200  # from all addresses together, which are cheap to change
WINDOW = 300.0
LOG_INS = 100  # of one user at the same time; the next one ends the oldest
COOKIE_CHARACTERS = 4096  # of a Cookie header that are looked at: anyone may send one


class Tries:
    """Wrong log-ins, by address."""

    def __init__(self) -> None:
        self._wrong: deque[tuple[float, str]] = deque()

    def blocked(self, address: str) -> bool:
        """Whether `address` has used up its tries, or all together theirs."""
        while self._wrong and monotonic() - self._wrong[0][0] > WINDOW:
            self._wrong.popleft()
        place = _network(address)
        return len(self._wrong) >= ALL_TRIES or sum(one == place for _, one in self._wrong) >= TRIES

    def note(self, address: str) -> None:
        """Count one wrong log-in."""
        self._wrong.append((monotonic(), _network(address)))


class Login:
    """Checks passwords and remembers who has logged in: until they log out, or the process ends."""

    def __init__(self, users: dict[str, str]) -> None:
        """`users`: passwords by name; none means that no log-in is asked for."""
        self.users = users
        self._entered: dict[bytes, str] = {}  # by the digest of the cookie, whose value is known to its browser alone

    def right(self, user: str, password: str) -> bool:
        """Whether the two belong together; takes the same time whether or not there is such a user."""
        expected = self.users.get(user)
        same = hmac.compare_digest(_digest(expected or ""), _digest(password))
        return same and expected is not None

    def by_key(self, authorization: str) -> str | None:
        """The user of an Authorization header: `Bearer user:password`, as chat clients send their key, or Basic."""
        kind, _, rest = authorization.partition(" ")
        if kind.lower() == "basic":
            try:
                rest = base64.b64decode(rest, validate=True).decode()
            except ValueError:
                return None
        user, _, password = rest.strip().partition(":")
        return user if self.right(user, password) else None

    def by_cookie(self, header: str) -> str | None:
        """The user of a Cookie header."""
        return self._entered.get(_digest(_our_cookie(header)))

    def enter(self, user: str) -> str:
        """The value of the cookie that `by_cookie` takes for `user` from now on."""
        mine = [one for one, whose in self._entered.items() if whose == user]
        if len(mine) >= LOG_INS:
            del self._entered[mine[0]]
        cookie = secrets.token_urlsafe(32)
        self._entered[_digest(cookie)] = user
        return cookie

    def leave(self, header: str) -> None:
        """End the log-in of a Cookie header, for whoever holds a copy of it too."""
        self._entered.pop(_digest(_our_cookie(header)), None)


def read_users(app_auth: str | None) -> dict[str, str]:
    """`user:password,user:password` as a dictionary; raises `ValueError` on anything else."""
    users: dict[str, str] = {}
    for pair in (app_auth or "").split(","):
        if not pair.strip():
            continue
        user, colon, password = pair.strip().partition(":")
        if not (user and colon and password):
            raise ValueError("APP_AUTH")
        users[user] = password
    return users


def _our_cookie(header: str) -> str:
    """The value of our cookie, else "". By hand: http.cookies takes quadratic time before 3.11.10 (CVE-2024-7592)."""
    for part in header[:COOKIE_CHARACTERS].split(";"):
        name, _, value = part.strip().partition("=")
        if name == COOKIE:
            return value
    return ""


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _network(address: str) -> str:
    """The address, of IPv6 its /64: one customer has that many to choose from.

    A socket for both takes clients of IPv4 as ::ffff:a.b.c.d, which are all of one /64: they are told apart.
    """
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    return str(found.ipv4_mapped or ipaddress.ip_network((found, 64), strict=False))
