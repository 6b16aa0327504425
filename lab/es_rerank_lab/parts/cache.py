"""The folder where fetched and unpacked things stay, its locks, and the folder of one run."""

import errno
import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from es_rerank_lab.parts.account import Account
from es_rerank_lab.parts.errors import PartError
from es_rerank_lab.parts.progress import QUIET, Reporter

SHARED = (Path("/var/cache/es-rerank"), Path("/var/tmp/es-rerank"))  # noqa: S108 - ours, and checked to be ours


def cache_folder() -> Path:
    """`$ES_RERANK_CACHE`, else `$XDG_CACHE_HOME/es-rerank`, else `~/.cache/es-rerank`; made if missing.

    Raises PartError where it cannot be made.
    """
    return _made(_cache_path())


def shared_folder(account: Account) -> Path:
    """Return a cache folder that `account` can reach: ours, or one of the machine where ours is private to root.

    Raises PartError where there is none.
    """
    choices = (_cache_path(), *SHARED) if account.switch else (_cache_path(),)
    for path in choices:
        with suppress(PartError):
            folder = _made(path)
            if folder.stat().st_uid == os.geteuid() and account.reaches(folder):
                return folder
    raise PartError(
        f"User {account.name} can reach none of {', '.join(map(str, choices))}. "
        "Set ES_RERANK_CACHE to a folder that every user may enter (mode 0755, and so the folders above it)."
    )


def prepared(folder: Path, make: Callable[[Path], None], reporter: Reporter = QUIET) -> Path:
    """`folder`, filled once by `make` in a folder beside it and renamed when complete.

    Two processes never fill the same folder at once. Raises what `make` raises, PartError for a full disk.
    """
    if folder.is_dir():
        return folder
    _made(folder.parent)
    with locked(folder, reporter), disk_errors(folder.parent):
        if folder.is_dir():
            return folder
        part = folder.with_name(f".{folder.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        try:
            make(part)
            _open_to_all(part)
            part.rename(folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return folder


@contextmanager
def locked(path: Path, reporter: Reporter = QUIET) -> Iterator[None]:
    """Hold the lock beside `path`, waiting as long as another process holds it."""
    with path.with_name(f".{path.name}.lock").open("w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with reporter.step(f"wait for another process that prepares {path.name}"):
                fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Translate a disk that runs full under the block into PartError."""
    try:
        yield
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise
        raise PartError(
            f"The disk under {folder} is full ({error.strerror}). Free some space, or set ES_RERANK_CACHE to "
            "a folder on another disk."
        ) from error


def require_space(folder: Path, needed: int) -> None:
    """Raise PartError unless `needed` bytes are free under `folder`."""
    free = free_bytes(folder)
    if free < needed:
        raise PartError(
            f"{folder} has {free / 1e6:.0f} MB free and {needed / 1e6:.0f} MB are needed. Free some space, "
            "or set ES_RERANK_CACHE to a folder on another disk."
        )


def free_bytes(folder: Path) -> int:
    """Bytes that may still be written under `folder`."""
    return shutil.disk_usage(folder).free


class RunFolder:
    """A folder of one run, removed when the run ends, or by the next run where this one was killed."""

    def __init__(self, parent: Path, name: str) -> None:
        runs = _made(parent / "runs")
        with locked(runs), disk_errors(runs):
            _sweep(runs)
            self.path = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=runs))
            self._lock = _lock_of(self.path).open("w", encoding="utf-8")
            fcntl.flock(self._lock, fcntl.LOCK_EX)

    def remove(self) -> None:
        """Delete the folder; harmless the second time."""
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock.close()
        _lock_of(self.path).unlink(missing_ok=True)


def _lock_of(run: Path) -> Path:
    return run.with_name(f"{run.name}.lock")


def _sweep(runs: Path) -> None:
    # A lock that can be taken belongs to a process that is gone, and so does its folder.
    for path in runs.glob("*.lock"):
        with suppress(OSError), path.open("r+", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path.with_suffix(""), ignore_errors=True)
            path.unlink(missing_ok=True)


def _cache_path() -> Path:
    if own := os.environ.get("ES_RERANK_CACHE"):
        return Path(own).expanduser().resolve()
    base = Path(os.environ.get("XDG_CACHE_HOME") or "")
    return (base if base.is_absolute() else Path("~/.cache").expanduser()) / "es-rerank"


def _made(path: Path) -> Path:
    try:
        path.mkdir(parents=True, exist_ok=True)
        if path.stat().st_uid == os.geteuid():
            path.chmod(stat.S_IMODE(path.stat().st_mode) | 0o755)
    except OSError as error:
        raise PartError(
            f"Cannot make the cache folder {path}: {error.strerror}. Set ES_RERANK_CACHE to a folder that "
            "you may write."
        ) from error
    return path


def _open_to_all(tree: Path) -> None:
    # What lies in the cache is public: a strict umask must not hide it from the user an engine runs as.
    for path in (tree, *tree.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            runs = mode & stat.S_IXUSR
            path.chmod(stat.S_IMODE(mode) | 0o644 | (0o111 if runs else 0))
