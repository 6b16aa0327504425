from __future__ import annotations

import hashlib
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from es_rerank_lab.parts import cache as parts_cache
from es_rerank_lab.parts.errors import PartError, UnavailableError
from es_rerank_lab.parts.fetch import Checksum, fetch, fetch_text

if TYPE_CHECKING:
    from .conftest import FileServer

BODY = b"engine" * 1000
SUM = Checksum("sha256", hashlib.sha256(BODY).hexdigest())


def test_a_file_is_downloaded_and_verified(files: FileServer, tmp_path: Path) -> None:
    files.files["/a.zip"] = BODY
    assert fetch(f"{files.url}/a.zip", tmp_path / "a.zip", SUM).read_bytes() == BODY


def test_a_wrong_checksum_is_reported_and_the_file_deleted(files: FileServer, tmp_path: Path) -> None:
    files.files["/a.zip"] = b"other"
    with pytest.raises(PartError, match=f"{hashlib.sha256(b'other').hexdigest()}, not {SUM.value}") as caught:
        fetch(f"{files.url}/a.zip", tmp_path / "a.zip", SUM)
    assert not isinstance(caught.value, UnavailableError)
    assert not list(tmp_path.iterdir())


def test_a_missing_file_is_reported_with_its_status(files: FileServer, tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="HTTP 404"):
        fetch(f"{files.url}/none", tmp_path / "a.zip", SUM)


def test_a_refused_connection_is_reported() -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        with pytest.raises(UnavailableError, match=r"no connection.*HTTPS_PROXY"):
            fetch_text(f"http://127.0.0.1:{reserved.getsockname()[1]}/a")


def test_a_connection_that_ends_early_leaves_no_file(files: FileServer, tmp_path: Path) -> None:
    files.files["/a.zip"], files.length["/a.zip"] = BODY, len(BODY) + 1
    with pytest.raises(UnavailableError, match=rf"after {len(BODY)} of {len(BODY) + 1} bytes|was lost"):
        fetch(f"{files.url}/a.zip", tmp_path / "a.zip", SUM)
    assert not list(tmp_path.iterdir())


def test_too_little_disk_space_is_reported_before_the_download(
    files: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.files["/a.zip"] = BODY
    monkeypatch.setattr(parts_cache, "free_bytes", lambda _: 10)
    with pytest.raises(PartError, match="MB free"):
        fetch(f"{files.url}/a.zip", tmp_path / "a.zip", SUM)


def test_only_http_urls_are_downloaded(tmp_path: Path) -> None:
    with pytest.raises(PartError, match="not an HTTP URL"):
        fetch("file:///etc/passwd", tmp_path / "a", SUM)


def test_a_small_text_file_is_read(files: FileServer) -> None:
    files.files["/a.sha512"] = b"abc  a.zip\n"
    assert fetch_text(f"{files.url}/a.sha512") == "abc  a.zip\n"
