import errno
import os
import stat
import threading
from pathlib import Path

import pytest

from es_rerank_lab.parts import cache as parts_cache
from es_rerank_lab.parts.account import Account
from es_rerank_lab.parts.cache import RunFolder, cache_folder, locked, prepared, require_space, shared_folder
from es_rerank_lab.parts.errors import PartError


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"ES_RERANK_CACHE": "{tmp}/own", "XDG_CACHE_HOME": "{tmp}/xdg"}, "own"),
        ({"XDG_CACHE_HOME": "{tmp}/xdg"}, "xdg/es-rerank"),
        ({"XDG_CACHE_HOME": "relative"}, "home/.cache/es-rerank"),
        ({}, "home/.cache/es-rerank"),
    ],
)
def test_the_cache_folder_follows_the_environment(
    variables: dict[str, str], expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ES_RERANK_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(tmp=tmp_path))
    assert cache_folder() == tmp_path / expected
    assert cache_folder().is_dir()


def test_a_cache_folder_that_cannot_be_created_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("ES_RERANK_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(PartError, match="ES_RERANK_CACHE"):
        cache_folder()


def test_a_shared_folder_is_used_if_the_account_cannot_read_the_cache(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = tmp_path / "shared"
    monkeypatch.setattr(parts_cache, "SHARED", (shared,))
    monkeypatch.setattr(Account, "can_read", lambda _, path: path == shared)
    assert shared_folder(Account("nobody", 65534, 65534, switch=True)) == shared
    monkeypatch.setattr(Account, "can_read", lambda *_: False)
    with pytest.raises(PartError, match="User nobody can read none of"):
        shared_folder(Account("nobody", 65534, 65534, switch=True))


def test_a_folder_is_filled_once_and_readable_for_all(tmp_path: Path) -> None:
    made = []

    def make(part: Path) -> None:
        made.append(part)
        (part / "private").touch(mode=0o600)

    for _ in range(2):
        assert prepared(tmp_path / "thing", make) == tmp_path / "thing"
    assert len(made) == 1
    assert stat.S_IMODE((tmp_path / "thing" / "private").stat().st_mode) == 0o644


def test_a_failed_preparation_leaves_no_folder(tmp_path: Path) -> None:
    def make(part: Path) -> None:
        (part / "half").touch()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(PartError, match=r"disk of .* is full"):
        prepared(tmp_path / "thing", make)
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]


def test_concurrent_preparations_fill_one_folder(tmp_path: Path) -> None:
    made: list[Path] = []
    entered, go = threading.Event(), threading.Event()

    def slow(part: Path) -> None:
        made.append(part)
        entered.set()
        go.wait(10)

    first = threading.Thread(target=prepared, args=(tmp_path / "thing", slow))
    first.start()
    entered.wait(10)
    second = threading.Thread(target=prepared, args=(tmp_path / "thing", slow))
    second.start()
    go.set()
    first.join()
    second.join()
    assert len(made) == 1


def test_too_little_disk_space_is_reported_in_advance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts_cache, "free_bytes", lambda _: 5_000_000)
    require_space(tmp_path, 5_000_000)
    with pytest.raises(PartError, match="5 MB free and 600 MB are needed"):
        require_space(tmp_path, 600_000_000)


def test_a_run_folder_is_removed_with_its_run(tmp_path: Path) -> None:
    run = RunFolder(tmp_path, "engine")
    (run.path / "data").touch()
    run.remove()
    run.remove()
    assert not list((tmp_path / "runs").iterdir())


def test_the_next_run_removes_the_folder_of_a_killed_run(tmp_path: Path) -> None:
    left, alive = RunFolder(tmp_path, "killed"), RunFolder(tmp_path, "alive")
    left._lock.close()
    run = RunFolder(tmp_path, "next")
    assert not left.path.exists()
    assert alive.path.is_dir()
    assert run.path.is_dir()
    alive.remove()
    run.remove()


def test_the_lock_is_released_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeyError), locked(tmp_path / "thing"):
        raise KeyError
    with locked(tmp_path / "thing"):
        pass
