"""Which user an engine runs as, and what that user can reach: engines refuse to run as root."""

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from es_rerank_lab.parts.errors import PartError

_CANDIDATES = ("nobody", "daemon", "games", "bin")


@dataclass(frozen=True)
class Account:
    """A user of this machine; `switch` says whether a child must change to it."""

    name: str
    uid: int
    gid: int
    switch: bool

    def takes(self, tree: Path) -> None:
        """Give the folder and everything in it to the account; nothing to do where no switch is needed.

        Raises PartError where this machine does not let us, as in a container with a single user id.
        """
        if not self.switch:
            return
        try:
            for path in (tree, *tree.rglob("*")):
                os.chown(path, self.uid, self.gid, follow_symlinks=False)
        except OSError as error:
            raise PartError(
                f"Search engines refuse to run as root, and {tree} cannot be given to user {self.name} "
                f"({error.strerror}). Run the command as another user."
            ) from error

    def reaches(self, path: Path) -> bool:
        """Whether the account may read `path` and walk through every folder above it."""
        real = path.resolve()
        if not self.switch:
            return os.access(real, os.R_OK)
        try:
            walks = all(self._may(folder, stat.S_IXUSR) for folder in real.parents)
            return walks and self._may(real, stat.S_IRUSR)
        except OSError:
            return False

    def _may(self, path: Path, owner_bit: int) -> bool:
        found = path.stat()
        if found.st_uid == self.uid:
            return bool(found.st_mode & owner_bit)
        if found.st_gid == self.gid:
            return bool(found.st_mode & owner_bit >> 3)
        return bool(found.st_mode & owner_bit >> 6)


def engine_account() -> Account:
    """Choose the user that engines run as: ourselves, or an unprivileged account where we are root.

    Raises PartError where we are root and the machine has no unprivileged account.
    """
    if os.geteuid() != 0:
        return Account(str(os.geteuid()), os.geteuid(), os.getegid(), switch=False)
    for name in _CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return Account(name, entry.pw_uid, entry.pw_gid, switch=True)
    raise PartError(
        "Search engines refuse to run as root and this machine has no unprivileged account "
        f"({', '.join(_CANDIDATES)}). Run the command as another user, or add one: useradd --system nobody"
    )
