"""Downloads files with a progress bar and verifies their checksums. Incomplete files are never left in place."""

import hashlib
import http.client
import os
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from es_rerank_lab.parts.cache import disk_errors, require_space
from es_rerank_lab.parts.errors import PartError, UnavailableError
from es_rerank_lab.parts.progress import QUIET, Reporter

CONNECT_TIMEOUT_SECONDS = 3.0
READ_TIMEOUT_SECONDS = 60.0
_CHUNK_BYTES = 1 << 20
_MAX_TEXT_BYTES = 4096


@dataclass(frozen=True)
class Checksum:
    """The expected checksum of a file: the name of the algorithm in hashlib, and the value in hexadecimal."""

    algorithm: str
    value: str


def fetch(url: str, target: Path, checksum: Checksum, reporter: Reporter = QUIET) -> Path:
    """Download *url* to *target*, which is created only after the checksum has been verified.

    Raises UnavailableError if the server cannot be reached or does not have the file, and PartError if the checksum is
    wrong or the disk is full.
    """
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with disk_errors(target.parent), _opened(url) as response:
            actual = _download(response, part, checksum.algorithm, reporter)
        if actual != checksum.value.lower():
            raise PartError(
                f"{url} has the wrong {checksum.algorithm}: {actual}, not {checksum.value}. The file was deleted. "
                "Try again; if the error persists, a proxy or mirror changes the file."
            )
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return target


def fetch_text(url: str) -> str:
    """Return the text of a small file (at most 4096 bytes). Raises UnavailableError if it cannot be downloaded."""
    with _opened(url) as response:
        return _read(response, _MAX_TEXT_BYTES, url).decode("utf-8", "replace")


def _download(response: http.client.HTTPResponse, part: Path, algorithm: str, reporter: Reporter) -> str:
    """Write a response body to a file and return its digest in hexadecimal."""
    digest = hashlib.new(algorithm)
    total = int(response.headers.get("Content-Length") or 0) or None
    require_space(part.parent, total or 0)
    label = f"download {response.url.rsplit('/', 1)[-1]}"
    with reporter.step(label, total) as step, part.open("wb") as file:
        count = 0
        while chunk := _read(response, _CHUNK_BYTES, response.url):
            file.write(chunk)
            digest.update(chunk)
            count += len(chunk)
            step.advance(len(chunk))
    if total is not None and count != total:
        raise UnavailableError(f"{response.url}: the connection ended after {count} of {total} bytes. Try again.")
    return digest.hexdigest()


def _read(response: http.client.HTTPResponse, size: int, url: str) -> bytes:
    """Read at most *size* bytes. Raises UnavailableError if the connection is lost."""
    try:
        return response.read(size)
    except (TimeoutError, ConnectionError, http.client.HTTPException) as error:
        raise UnavailableError(f"{url}: the connection was lost ({error}). Try again.") from error


def _opened(url: str) -> http.client.HTTPResponse:
    """Send a GET request. Raises UnavailableError if it fails, and PartError if the URL is not an HTTP URL."""
    if not url.startswith(("https://", "http://")):
        raise PartError(f"{url} is not an HTTP URL.")
    request = urllib.request.Request(url, headers={"User-Agent": "es-rerank"})  # noqa: S310 - checked above
    opener = urllib.request.build_opener(_Http, _Https)
    try:
        response: http.client.HTTPResponse = opener.open(request, timeout=CONNECT_TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        with error:
            raise UnavailableError(f"{url}: HTTP {error.code} {error.reason}.") from error
    except (urllib.error.URLError, TimeoutError, ConnectionError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise UnavailableError(
            f"{url}: no connection ({reason}). Check the network; behind a proxy set HTTPS_PROXY."
        ) from error
    return response


class _HttpConnection(http.client.HTTPConnection):
    def connect(self) -> None:
        super().connect()
        self.sock.settimeout(READ_TIMEOUT_SECONDS)


class _HttpsConnection(http.client.HTTPSConnection):
    def connect(self) -> None:
        super().connect()
        self.sock.settimeout(READ_TIMEOUT_SECONDS)


class _Http(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_HttpConnection, req)


class _Https(urllib.request.HTTPSHandler):
    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_HttpsConnection, req, context=ssl.create_default_context())
