from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from es_rerank_lab.parts.distribution import ENGINES, Distribution
from es_rerank_lab.parts.errors import PartError
from es_rerank_lab.parts.java import Java
from es_rerank_lab.parts.plugins import RERANKING, Plugin, with_plugins

if TYPE_CHECKING:
    from .conftest import FileServer

JAVA = Java(Path("/java"), 21, frozenset())
ARCHIVE = b"an archive"
PLUGIN = Plugin("neural-search", hashlib.sha256(ARCHIVE).hexdigest())
MAVEN = "/org/opensearch/plugin/neural-search/9.9.9.0/neural-search-9.9.9.0.zip"
INSTALLER = """#!/bin/sh
set -e
test "$1 $2 $OPENSEARCH_JAVA_HOME" = "install --batch /java"
mkdir "$(dirname "$0")/../plugins" && cp "${3#file://}" "$(dirname "$0")/../plugins/"
"""


@pytest.fixture
def home(files: FileServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder of an engine, whose installer of plugins is a shell script."""
    monkeypatch.setenv("ES_RERANK_MAVEN_REPOSITORY", files.url)
    folder = tmp_path / "opensearch-9.9.9" / "opensearch-9.9.9"
    (folder / "bin").mkdir(parents=True)
    installer(folder, INSTALLER)
    return folder


def installer(home: Path, script: str) -> None:
    program = home / "bin" / "opensearch-plugin"
    program.write_text(script)
    program.chmod(0o755)


@pytest.fixture
def engine() -> Distribution:
    return replace(ENGINES["opensearch"], version="9.9.9")


def test_plugins_are_installed_into_a_copy_once(
    engine: Distribution, home: Path, files: FileServer, tmp_path: Path
) -> None:
    files.files[MAVEN] = ARCHIVE
    copy = with_plugins(engine, home, [PLUGIN], JAVA)
    assert copy == tmp_path / "opensearch-9.9.9-with-neural-search"
    assert (copy / "plugins" / "neural-search-9.9.9.0.zip").read_bytes() == ARCHIVE
    assert (copy / "bin" / "opensearch-plugin").stat().st_mode & 0o111
    assert not (home / "plugins").exists()
    assert not (copy / "neural-search-9.9.9.0.zip").exists()
    files.requested.clear()
    assert with_plugins(engine, home, [PLUGIN], JAVA) == copy
    assert files.requested == []


def test_a_plugin_that_no_repository_has_is_an_error(engine: Distribution, home: Path) -> None:
    with pytest.raises(PartError, match=r"(?s)neural-search-9.9.9.0.zip could not be downloaded:.*404"):
        with_plugins(engine, home, [PLUGIN], JAVA)


def test_a_failed_installation_is_an_error_with_the_output(
    engine: Distribution, home: Path, files: FileServer, tmp_path: Path
) -> None:
    files.files[MAVEN] = ARCHIVE
    installer(home, "#!/bin/sh\necho jar hell\nexit 1\n")
    with pytest.raises(PartError, match=r"(?s)could not be installed:\njar hell"):
        with_plugins(engine, home, [PLUGIN], JAVA)
    assert not list(tmp_path.glob("opensearch-9.9.9-with-*"))


def test_the_checksums_are_complete() -> None:
    assert {len(bytes.fromhex(plugin.sha256)) for plugin in RERANKING} == {32}
