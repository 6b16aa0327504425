"""A download with a bar: short to connect, checked, and complete or not there at all."""

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

CONNECT_LIMIT_S = 3.0
READ_LIMIT_S = 60.0
_CHUNK = 1 << 20
_SMALL = 4096


@dataclass(frozen=True)
class Checksum:
    """The sum a file must have: `algorithm` as hashlib names it, `value` in hex."""

    algorithm: str
    value: str


def fetch(url: str, target: Path, checksum: Checksum, reporter: Reporter = QUIET) -> Path:
    """Download `url` to `target`, which appears only when complete and of the right sum.

    Raises UnavailableError where the server cannot be reached or does not have the file, PartError for a wrong
    checksum or a full disk.
    """
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with disk_errors(target.parent), _opened(url) as answer:
            found = _download(answer, part, checksum.algorithm, reporter)
        if found != checksum.value.lower():
            raise PartError(
                f"{url} has the wrong {checksum.algorithm}: {found}, not {checksum.value}. The file was deleted. "
                "Try again; if it stays so, a proxy or mirror on the way changes the file."
            )
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return target


def fetch_text(url: str) -> str:
    """Read the text of a small file (at most 4 KB). Raises UnavailableError."""
    with _opened(url) as answer:
        return _read(answer, _SMALL, url).decode("utf-8", "replace")


def _download(answer: http.client.HTTPResponse, part: Path, algorithm: str, reporter: Reporter) -> str:
    digest = hashlib.new(algorithm)
    total = int(answer.headers.get("Content-Length") or 0) or None
    require_space(part.parent, total or 0)
    label = f"download {answer.url.rsplit('/', 1)[-1]}"
    with reporter.step(label, total) as step, part.open("wb") as file:
        count = 0
        while chunk := _read(answer, _CHUNK, answer.url):
            file.write(chunk)
            digest.update(chunk)
            count += len(chunk)
            step.advance(len(chunk))
    if total is not None and count != total:
        raise UnavailableError(f"{answer.url}: the connection ended after {count} of {total} bytes. Try again.")
    return digest.hexdigest()


def _read(answer: http.client.HTTPResponse, size: int, url: str) -> bytes:
    try:
        return answer.read(size)
    except (TimeoutError, ConnectionError, http.client.HTTPException) as error:
        raise UnavailableError(f"{url}: the connection broke while reading ({error}). Try again.") from error


def _opened(url: str) -> http.client.HTTPResponse:
    if not url.startswith(("https://", "http://")):
        raise PartError(f"{url} is no http address.")
    request = urllib.request.Request(url, headers={"User-Agent": "es-rerank"})  # noqa: S310 - checked above
    opener = urllib.request.build_opener(_Http, _Https)
    try:
        answer: http.client.HTTPResponse = opener.open(request, timeout=CONNECT_LIMIT_S)
    except urllib.error.HTTPError as error:
        with error:
            raise UnavailableError(f"{url}: HTTP {error.code} {error.reason}.") from error
    except (urllib.error.URLError, TimeoutError, ConnectionError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise UnavailableError(
            f"{url}: no connection ({reason}). Check the network; behind a proxy set HTTPS_PROXY."
        ) from error
    return answer


class _HttpConnection(http.client.HTTPConnection):
    def connect(self) -> None:
        super().connect()
        self.sock.settimeout(READ_LIMIT_S)


class _HttpsConnection(http.client.HTTPSConnection):
    def connect(self) -> None:
        super().connect()
        self.sock.settimeout(READ_LIMIT_S)


class _Http(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_HttpConnection, req)


class _Https(urllib.request.HTTPSHandler):
    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_HttpsConnection, req, context=ssl.create_default_context())
