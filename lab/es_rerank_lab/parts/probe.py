"""Health checks of a server that is starting."""

import base64
import http.client
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Probe:
    """A URL to request, with credentials and CA certificate."""

    url: str
    username: str | None = None
    password: str | None = None
    ca: Path | None = None
    timeout_seconds: float = 5.0

    def answers(self) -> bool:
        """Return whether the response is 2xx; connection and certificate errors count as no."""
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
        """Return an opener that ignores HTTP_PROXY, since a proxy cannot reach loopback ports of this machine."""
        handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
        if self.ca is not None:
            handlers.append(urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=self.ca)))
        return urllib.request.build_opener(*handlers)
