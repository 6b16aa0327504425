"""Checks whether a server that is starting responds."""

import base64
import http.client
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Probe:
    """A health check: the URL to request, with optional credentials and CA certificate."""

    url: str
    username: str | None = None
    password: str | None = None
    ca: Path | None = None
    timeout_seconds: float = 5.0

    def answers(self) -> bool:
        """Return whether the server responds with a 2xx status. Connection and certificate errors return False."""
        request = urllib.request.Request(self.url)  # noqa: S310 - a loopback URL
        if self.username is not None:
            pair = f"{self.username}:{self.password}".encode()
            request.add_header("Authorization", f"Basic {base64.b64encode(pair).decode()}")
        try:
            with self._opener().open(request, timeout=self.timeout_seconds):
                return True
        except (OSError, urllib.error.URLError, http.client.HTTPException):
            return False

    def _opener(self) -> urllib.request.OpenerDirector:
        """Return a URL opener that ignores HTTP_PROXY, because a proxy cannot reach this machine's loopback ports."""
        handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
        if self.ca is not None:
            handlers.append(urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=self.ca)))
        return urllib.request.build_opener(*handlers)
