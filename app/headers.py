"""The security headers of every reply, and the content security policy with its nonce.

Replies pass through unbuffered; only the page itself is held back, to give each of its scripts the
nonce of the policy.
"""

import re
import secrets

from app.request import Message, Send

_SCRIPT = re.compile(rb"<script(?=[\s>])")
# Of Gradio's page: what leads to other hosts, and a base that the policy forbids; at the root it says nothing.
_OUTSIDE = re.compile(
    rb'\s*<meta\s+(?:property|name)="(?:og|twitter):[^>]*>|\s*<link rel="manifest"[^>]*>|\s*<base href="\./"[^>]*>'
)

_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}
_DROPPED = {"server", "access-control-allow-origin", "access-control-allow-credentials"}


def policy(nonce: str) -> str:
    """The content security policy.

    Scripts are ours or carry the nonce: no inline script, no handler in an attribute. Gradio 6
    compiles the templates of gr.HTML with `Function`, hence 'unsafe-eval'; styles it sets inline.
    """
    return (
        "default-src 'self'; "
        f"script-src 'self' 'nonce-{nonce}' 'unsafe-eval'; script-src-attr 'none'; "
        "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
        "connect-src 'self'; media-src 'none'; object-src 'none'; frame-src 'none'; worker-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )


def with_headers(send: Send, path: str, head: bytes) -> Send:
    """`send` that adds the headers; the page at / also gets `head` at the end of its head, and its nonces."""
    nonce = secrets.token_urlsafe(16)
    held: list[Message] = []
    page = bytearray()

    async def adding(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = _replaced(message["headers"], _ours(path, nonce))
            if path == "/":
                held.append(message)
                return
        elif path == "/" and message["type"] == "http.response.body":
            page.extend(message.get("body", b""))
            if message.get("more_body"):
                return
            body = _with_nonces(bytes(page), nonce, head)
            start = held[0]
            start["headers"] = [(n, v) for n, v in start["headers"] if n.lower() != b"content-length"]
            start["headers"].append((b"content-length", str(len(body)).encode()))
            await send(start)
            message = {"type": "http.response.body", "body": body}
        await send(message)

    return adding


def _ours(path: str, nonce: str) -> dict[str, str]:
    ours = {**_HEADERS, "content-security-policy": policy(nonce)}
    return ours if path.startswith(("/assets/", "/static/")) else {**ours, "cache-control": "no-store"}


def _replaced(headers: list[tuple[bytes, bytes]], ours: dict[str, str]) -> list[tuple[bytes, bytes]]:
    kept = [(name, value) for name, value in headers if name.decode("latin-1").lower() not in {*ours, *_DROPPED}]
    return [*kept, *((name.encode(), value.encode()) for name, value in ours.items())]


def _with_nonces(page: bytes, nonce: str, head: bytes) -> bytes:
    page = _OUTSIDE.sub(b"", page).replace(b"</head>", head + b"</head>", 1)
    return _SCRIPT.sub(b'<script nonce="' + nonce.encode() + b'"', page)
