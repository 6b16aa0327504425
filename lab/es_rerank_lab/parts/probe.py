"""One question to a server that is starting: whether it answers yet."""

import base64
import http.client
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Probe:
    """An address, and what is needed to be let in."""

    url: str
    username: str | None = None
    password: str | None = None
    ca: Path | None = None
    limit_s: float = 5.0

    def answers(self) -> bool:
        """Whether the address answers 2xx now; a refusal, an error or a wrong certificate is a no."""
        request = urllib.request.Request(self.url)  # noqa: S310 - our own loopback address
        if self.username is not None:
            pair = f"{self.username}:{self.password}".encode()
            request.add_header("Authorization", f"Basic {base64.b64encode(pair).decode()}")
        try:
            with self._opener().open(request, timeout=self.limit_s):
                return True
        except (OSError, urllib.error.URLError, http.client.HTTPException):
            return False

    def _opener(self) -> urllib.request.OpenerDirector:
        # Loopback is asked directly: a proxy in the environment does not know this machine's ports.
        handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
        if self.ca is not None:
            handlers.append(urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=self.ca)))
        return urllib.request.build_opener(*handlers)
