"""Creates the cache folder for downloads and unpacked files, locks its content, and creates temporary folders."""

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

SHARED = (Path("/var/cache/es-rerank"), Path("/var/tmp/es-rerank"))  # noqa: S108 - its owner is checked


def cache_folder() -> Path:
    """Return the cache folder, which is created if missing. Raises PartError if it cannot be created.

    The folder is `$ES_RERANK_CACHE`, `$XDG_CACHE_HOME/es-rerank` or `~/.cache/es-rerank`, in this order.
    """
    return _created(_cache_path())


def shared_folder(account: Account) -> Path:
    """Return a cache folder that *account* can read: the current user's if possible, otherwise a system-wide one.

    Raises PartError if *account* can read none of them.
    """
    choices = (_cache_path(), *SHARED) if account.switch else (_cache_path(),)
    for path in choices:
        with suppress(PartError):
            folder = _created(path)
            if folder.stat().st_uid == os.geteuid() and account.can_read(folder):
                return folder
    raise PartError(
        f"User {account.name} can read none of {', '.join(map(str, choices))}. "
        "Set ES_RERANK_CACHE to a folder that every user can enter (mode 0755, including its parent folders)."
    )


def prepared(folder: Path, make: Callable[[Path], None], reporter: Reporter = QUIET) -> Path:
    """Return *folder*. If it does not exist, create it with *make*.

    The folder never exists with incomplete content: *make* writes into a temporary folder, which is then renamed. A
    lock prevents other processes from creating the folder at the same time. Raises PartError if the disk is full.
    """
    if folder.is_dir():
        return folder
    _created(folder.parent)
    with locked(folder, reporter), disk_errors(folder.parent):
        if folder.is_dir():
            return folder
        part = folder.with_name(f".{folder.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        try:
            make(part)
            _make_readable(part)
            part.rename(folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return folder


@contextmanager
def locked(path: Path, reporter: Reporter = QUIET) -> Iterator[None]:
    """Wait until no other process holds the lock of *path*, and hold the lock during the block."""
    with path.with_name(f".{path.name}.lock").open("w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with reporter.step(f"wait for another process to prepare {path.name}"):
                fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Convert an OSError in the block to PartError if the disk of *folder* is full."""
    try:
        yield
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise
        raise PartError(
            f"The disk of {folder} is full ({error.strerror}). Free some space, or set ES_RERANK_CACHE to "
            "a folder on another disk."
        ) from error


def require_space(folder: Path, needed_bytes: int) -> None:
    """Raise PartError if fewer than *needed_bytes* are free on the disk of *folder*."""
    free = free_bytes(folder)
    if free < needed_bytes:
        raise PartError(
            f"{folder} has {free / 1e6:.0f} MB free and {needed_bytes / 1e6:.0f} MB are needed. Free some space, "
            "or set ES_RERANK_CACHE to a folder on another disk."
        )


def free_bytes(folder: Path) -> int:
    """Return the number of free bytes on the disk of *folder*."""
    return shutil.disk_usage(folder).free


class RunFolder:
    """The temporary folder of a running part. If the process is killed, the next run removes the folder."""

    def __init__(self, parent: Path, name: str) -> None:
        """Create a folder in *parent*, and remove the folders of killed processes."""
        runs = _created(parent / "runs")
        with locked(runs), disk_errors(runs):
            _remove_abandoned(runs)
            self.path = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=runs))
            self._lock = _lock_of(self.path).open("w", encoding="utf-8")
            fcntl.flock(self._lock, fcntl.LOCK_EX)

    def remove(self) -> None:
        """Delete the folder. Further calls have no effect."""
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock.close()
        _lock_of(self.path).unlink(missing_ok=True)


def _lock_of(run: Path) -> Path:
    """Return the path of a run folder's lock file."""
    return run.with_name(f"{run.name}.lock")


def _remove_abandoned(runs: Path) -> None:
    """Remove the run folders whose locks are free, which means that their processes have ended."""
    for path in runs.glob("*.lock"):
        with suppress(OSError), path.open("r+", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path.with_suffix(""), ignore_errors=True)
            path.unlink(missing_ok=True)


def _cache_path() -> Path:
    """Return the path of the cache folder."""
    if own := os.environ.get("ES_RERANK_CACHE"):
        return Path(own).expanduser().resolve()
    base = Path(os.environ.get("XDG_CACHE_HOME") or "")
    return (base if base.is_absolute() else Path("~/.cache").expanduser()) / "es-rerank"


def _created(path: Path) -> Path:
    """Create a cache folder that all users can read, and return its path. Raises PartError if that is not possible."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        if path.stat().st_uid == os.geteuid():
            path.chmod(stat.S_IMODE(path.stat().st_mode) | 0o755)
    except OSError as error:
        raise PartError(
            f"Cannot create the cache folder {path}: {error.strerror}. Set ES_RERANK_CACHE to a folder that "
            "you can write to."
        ) from error
    return path


def _make_readable(tree: Path) -> None:
    """Make files readable for all users regardless of the umask, because another user may run the engine."""
    for path in (tree, *tree.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            executable = mode & stat.S_IXUSR
            path.chmod(stat.S_IMODE(mode) | 0o644 | (0o111 if executable else 0))
