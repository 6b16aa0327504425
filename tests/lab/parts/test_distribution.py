from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from es_rerank_lab.parts import distribution as parts_distribution
from es_rerank_lab.parts.distribution import ENGINES, Distribution, distribution, unpack, unpacked
from es_rerank_lab.parts.errors import PartError

if TYPE_CHECKING:
    from .conftest import FileServer

NAME = "opensearch"
MAVEN = "/org/opensearch/distribution/integ-test-zip/opensearch/9.9.9/opensearch-9.9.9.zip"


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        script = zipfile.ZipInfo("opensearch-9.9.9/bin/opensearch")
        script.external_attr = 0o100755 << 16
        file.writestr(script, "#!/bin/sh\n")
        file.writestr("opensearch-9.9.9/config/opensearch.yml", "")
    return buffer.getvalue()


def tarred() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as file:
        member = tarfile.TarInfo("opensearch-9.9.9/bin/opensearch")
        member.mode, member.size = 0o755, 3
        file.addfile(member, io.BytesIO(b"#!\n"))
    return buffer.getvalue()


@pytest.fixture
def engine(files: FileServer, monkeypatch: pytest.MonkeyPatch) -> Distribution:
    monkeypatch.setenv("ES_RERANK_MAVEN_REPOSITORY", files.url)
    monkeypatch.setattr(parts_distribution.platform, "system", lambda: "Linux")
    monkeypatch.setattr(parts_distribution.platform, "machine", lambda: "x86_64")
    row = ENGINES[NAME]
    family = replace(row.family, official=files.url + "/vendor/{version}-{platform}.tar.gz")
    return replace(row, family=family, version="9.9.9", sha256=hashlib.sha256(zipped()).hexdigest())


@pytest.mark.parametrize(("name", "row"), ENGINES.items())
def test_every_engine_is_complete(name: str, row: Distribution) -> None:
    assert name in {row.family.name, row.title}
    assert len(bytes.fromhex(row.sha256)) == 32
    assert row.java[0] <= row.java[1]


def test_an_unknown_engine_is_reported_with_the_known_ones() -> None:
    with pytest.raises(PartError, match="opensearch, elasticsearch"):
        distribution("solr")


def test_the_vendor_is_the_first_source(engine: Distribution, files: FileServer, tmp_path: Path) -> None:
    files.files["/vendor/9.9.9-linux-x64.tar.gz"] = tarred()
    files.files["/vendor/9.9.9-linux-x64.tar.gz.sha512"] = f"{hashlib.sha512(tarred()).hexdigest()}  x".encode()
    home = unpacked(engine, tmp_path)
    assert home == tmp_path / "opensearch-9.9.9" / "opensearch-9.9.9"
    assert (home / "bin" / "opensearch").stat().st_mode & 0o111
    assert MAVEN not in files.requested


def test_maven_is_used_if_the_vendor_has_no_archive(engine: Distribution, files: FileServer, tmp_path: Path) -> None:
    files.files[MAVEN] = zipped()
    home = unpacked(engine, tmp_path)
    assert (home / "bin" / "opensearch").stat().st_mode & 0o111
    assert not list(tmp_path.rglob("*.zip"))
    files.requested.clear()
    assert unpacked(engine, tmp_path) == home
    assert files.requested == []


def test_a_vendor_archive_with_a_wrong_checksum_is_an_error(
    engine: Distribution, files: FileServer, tmp_path: Path
) -> None:
    files.files["/vendor/9.9.9-linux-x64.tar.gz"] = b"tampered"
    files.files["/vendor/9.9.9-linux-x64.tar.gz.sha512"] = hashlib.sha512(tarred()).hexdigest().encode()
    files.files[MAVEN] = zipped()
    with pytest.raises(PartError, match="wrong sha512"):
        unpacked(engine, tmp_path)


def test_all_failed_sources_are_named(engine: Distribution, tmp_path: Path) -> None:
    with pytest.raises(PartError, match=r"(?s)/vendor/.*404.*integ-test-zip.*404.*ES_RERANK_MAVEN_REPOSITORY"):
        unpacked(engine, tmp_path)


def test_an_unknown_platform_uses_only_maven(
    engine: Distribution, files: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts_distribution.platform, "machine", lambda: "riscv64")
    files.files[MAVEN] = zipped()
    unpacked(engine, tmp_path)
    assert files.requested == [MAVEN]


@pytest.mark.parametrize("content", [b"nonsense", zipped()[:40], tarred()[:60]], ids=["neither", "zip", "tar"])
def test_a_damaged_archive_is_reported(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(PartError, match="damaged"):
        unpack(tmp_path / "a", tmp_path / "out")
