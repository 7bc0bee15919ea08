"""Webhooks: what is told, how it is signed, when it is tried again, and where it may never go.

Signed as Standard Webhooks asks (https://www.standardwebhooks.com): `webhook-id`, `webhook-timestamp` and
`webhook-signature: v1,BASE64`, the HMAC-SHA256 of "id.timestamp.body" under the secret. Bodies carry ids and states,
no content: the receiver asks for what it wants with its own key. The same event may arrive twice, with the same id.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import json
import secrets
import socket
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple, get_args
from urllib.parse import SplitResult, urlsplit

import httpx

from shared.errors import Refused

EventName = Literal["batch.finished", "document.succeeded", "document.failed", "document.canceled", "document.skipped"]
EVENTS: tuple[EventName, ...] = get_args(EventName)
#: Seconds until the next try, after the first failure, the second, … (Standard Webhooks). Then it is dead: 75 hours.
RETRY_AFTER_S = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
#: A receiver that did not answer is left alone for so long, doubled with each failure up to the longest: a dead one
#: must not hold up the workers with thousands of deliveries.
PAUSE_S, LONGEST_PAUSE_S = 30, 3_600
_TIMEOUT_S = 8.0
_SECRET_PREFIX = "whsec_"
#: Addresses that only pass on to others; what they lead to is not known here.
_TRANSLATED = [
    ipaddress.ip_network(network) for network in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32")
]

Resolve = Callable[[str, int], Sequence[str]]


class Outcome(NamedTuple):
    """What a try came to: the HTTP status, None where there was no answer, and what went wrong, "" where nothing."""

    status: int | None
    trouble: str

    @property
    def taken(self) -> bool:
        """Whether the receiver took it."""
        return not self.trouble

    @property
    def gone(self) -> bool:
        """Whether the receiver wants nothing more (410)."""
        return self.status == 410


def new_secret() -> str:
    """A fresh secret of 256 random bits, in the form that the libraries for receivers take."""
    return _SECRET_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def body_of(event: str, at: datetime, facts: dict[str, Any]) -> str:
    """The body of a delivery, made once: every try sends the same bytes."""
    return json.dumps({"type": event, "timestamp": at.isoformat(), "data": facts}, separators=(",", ":"))


def signature(secret: str, event_id: str, timestamp: int, body: str) -> str:
    """The value of `webhook-signature`."""
    key = base64.b64decode(secret.removeprefix(_SECRET_PREFIX))
    signed = hmac.new(key, f"{event_id}.{timestamp}.{body}".encode(), hashlib.sha256)
    return f"v1,{base64.b64encode(signed.digest()).decode()}"


def checked_url(url: str, *, private: bool) -> str:
    """`url`, where deliveries may go there. Raises Refused; names are looked up only when something is sent."""
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.username or parts.password:
        raise Refused(f"{url[:200]} is no address for a webhook.", action="Use https://host/path.", code="webhook_url")
    if parts.scheme == "http" and not private:
        raise Refused("The webhook's address begins with http://.", action="Use https://.", code="webhook_url")
    try:
        ipaddress.ip_address(parts.hostname)
    except ValueError:
        return url
    _allowed([parts.hostname], parts.hostname, private)
    return url


def post(url: str, secret: str, event_id: str, body: str, *, private: bool, resolve: Resolve | None = None) -> Outcome:
    """Send one delivery. Only to public addresses, unless `private`; never follows a redirect.

    The name is resolved once and the connection goes to that address, so that it cannot change in between.
    """
    timestamp = int(time.time())
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Dossier",
        "webhook-id": event_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature(secret, event_id, timestamp, body),
    }
    try:
        status = _status(urlsplit(url), headers, body, private, resolve or _resolved)
    except Refused as refused:
        return Outcome(None, refused.public)
    except (httpx.HTTPError, OSError) as broken:
        return Outcome(None, f"{type(broken).__name__}: {broken}"[:500])
    return Outcome(status, "" if 200 <= status < 300 else f"The receiver answered {status}.")


def _status(parts: SplitResult, headers: dict[str, str], body: str, private: bool, resolve: Resolve) -> int:
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    address = _allowed(resolve(host, port), host, private)
    target = f"[{address}]" if ":" in address else address
    with (
        httpx.Client(timeout=_TIMEOUT_S, trust_env=False, follow_redirects=False) as client,
        client.stream(
            "POST",
            parts._replace(netloc=f"{target}:{port}").geturl(),
            content=body.encode(),
            headers=headers | {"Host": parts.netloc},
            extensions={"sni_hostname": host},
        ) as response,
    ):
        return response.status_code  # the receiver's words are not read: they could be endless


def _resolved(host: str, port: int) -> list[str]:
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def _allowed(addresses: Sequence[str], host: str, private: bool) -> str:
    """The first address. Raises Refused where any of them is not public: which one is used is not ours to choose."""
    for address in addresses:
        ip = ipaddress.ip_address(address)
        public = ip.is_global and not ip.is_multicast and not any(ip in network for network in _TRANSLATED)
        if not (public or private) or getattr(ip, "ipv4_mapped", None) is not None:
            raise Refused(
                f"{host} is a private address, where webhooks do not go.",
                action="Operators may allow it: DOSSIER_INGEST_WEBHOOKS_PRIVATE=true.",
                code="webhook_url",
            )
    return addresses[0]
