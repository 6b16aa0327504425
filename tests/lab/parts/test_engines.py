from __future__ import annotations

import socket
from pathlib import Path

import pytest

from es_rerank_lab.parts import engines as parts_engines
from es_rerank_lab.parts.account import Account
from es_rerank_lab.parts.engines import EngineOptions, start_engine
from es_rerank_lab.parts.errors import PartError
from es_rerank_lab.parts.java import Java

SERVER = """#!/bin/sh
set -e
port=$(sed -n 's/^http.port: //p' "$OPENSEARCH_PATH_CONF/opensearch.yml")
echo "listening on $port in $PWD"
exec sleep 60
"""


@pytest.fixture
def home(tmp_path: Path, cache: Path, me: Account, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An unpacked engine, whose program is a shell script."""
    folder = tmp_path / "opensearch"
    for name in ("bin", "config", "modules"):
        (folder / name).mkdir(parents=True)
    (folder / "config" / "jvm.options").touch()
    program = folder / "bin" / "opensearch"
    program.write_text(SERVER)
    program.chmod(0o755)
    monkeypatch.setattr(parts_engines, "engine_account", lambda: me)
    monkeypatch.setattr(parts_engines, "unpacked", lambda *_: folder)
    monkeypatch.setattr(parts_engines, "find_java", lambda *_: Java(Path("/java"), 21, frozenset()))
    monkeypatch.setattr(parts_engines.Probe, "answers", lambda _: True)
    return folder


def runs(cache: Path) -> list[Path]:
    return [path for path in (cache / "runs").iterdir() if path.is_dir()]


def test_an_engine_runs_in_its_own_folder_which_is_removed(home: Path, cache: Path) -> None:
    with start_engine("opensearch") as engine:
        assert engine.url.startswith("http://127.0.0.1:")
        assert (engine.username, engine.password, engine.ca) == (None, None, None)
        assert engine.log.parent == runs(cache)[0]
        assert engine.exit_code is None
    assert not runs(cache)


def test_a_chosen_data_folder_is_kept(home: Path, tmp_path: Path) -> None:
    with start_engine("opensearch", options=EngineOptions(data=tmp_path / "kept")) as engine:
        assert str(tmp_path / "kept") in (engine.log.parent / "config" / "opensearch.yml").read_text()
    assert (tmp_path / "kept").is_dir()


def test_an_engine_that_dies_is_reported_with_its_log_and_its_folder_is_removed(
    home: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "bin" / "opensearch").write_text("#!/bin/sh\necho out of memory; exit 78\n")
    monkeypatch.setattr(parts_engines.Probe, "answers", lambda _: False)
    with pytest.raises(PartError, match=r"(?s)opensearch-3.6.0 ended during startup with exit code 78.*out of memory"):
        start_engine("opensearch")
    assert not runs(cache)


def test_a_port_in_use_is_reported_before_any_download(home: Path, cache: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(PartError, match="cannot be used"):
        start_engine("opensearch", port=taken.getsockname()[1])
    assert not cache.exists()


def test_an_engine_that_does_not_support_security_is_reported() -> None:
    with pytest.raises(PartError, match="does not support security"):
        start_engine("opensearch", security=True)


def test_the_password_is_not_in_the_repr_of_an_engine(home: Path) -> None:
    with start_engine("opensearch") as engine:
        assert "password" not in repr(engine)
