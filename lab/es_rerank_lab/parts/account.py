"""The user account that runs an engine. Engines refuse to run as root, so another account is needed for root."""

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from es_rerank_lab.parts.errors import PartError

_CANDIDATES = ("nobody", "daemon", "games", "bin")


@dataclass(frozen=True)
class Account:
    """A user account of this machine.

    Attributes:
        name: The user name; for the current user, the user ID.
        uid: The user ID.
        gid: The group ID.
        switch: Whether the engine's process must switch to this account, because it is not the current user's.

    """

    name: str
    uid: int
    gid: int
    switch: bool

    def own(self, tree: Path) -> None:
        """Make this account the owner of a folder and its content, unless it is the current user.

        Raises PartError if that is not permitted, for example in a container with a single user ID.
        """
        if not self.switch:
            return
        try:
            for path in (tree, *tree.rglob("*")):
                os.chown(path, self.uid, self.gid, follow_symlinks=False)
        except OSError as error:
            raise PartError(
                f"Search engines refuse to run as root, and the owner of {tree} cannot be changed to user {self.name} "
                f"({error.strerror}). Run the command as another user."
            ) from error

    def can_read(self, path: Path) -> bool:
        """Return whether this account can read *path* and enter all its parent folders."""
        real = path.resolve()
        if not self.switch:
            return os.access(real, os.R_OK)
        try:
            enters = all(self._permitted(folder, stat.S_IXUSR) for folder in real.parents)
            return enters and self._permitted(real, stat.S_IRUSR)
        except OSError:
            return False

    def _permitted(self, path: Path, owner_bit: int) -> bool:
        """Return whether this account has a permission on *path*; *owner_bit* is the permission's bit for the owner."""
        status = path.stat()
        if status.st_uid == self.uid:
            return bool(status.st_mode & owner_bit)
        if status.st_gid == self.gid:
            return bool(status.st_mode & owner_bit >> 3)
        return bool(status.st_mode & owner_bit >> 6)


def engine_account() -> Account:
    """Return the account that runs engines: the current user, or an unprivileged account if the current user is root.

    Raises PartError if the current user is root and the machine has no unprivileged account.
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
