"""Takes changed rules and certificates into use while the endpoint runs, all of them or none: on SIGHUP, or on change.

Files are looked at once a second. Notices of the kernel would be sooner, but there are none of network drives, and they
tell of each step of a change: an editor's, or that of a cluster that swaps a link to a folder of files.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import structlog

from es_rerank.cli.options import settings_from
from es_rerank.config.rules import INHERITED, Rules, files
from es_rerank.config.settings import Settings
from es_rerank.errors import ConfigError, EsRerankError
from es_rerank.server.listen.site import Sites
from es_rerank.server.state import State

log = structlog.get_logger()

LOOK_SECONDS = 1.0

Fingerprint = Mapping[Path, tuple[int, ...] | None]
"""What tells one state of files from another: inode, size and both times of each; None is one that cannot be seen."""


class Reread:
    """Reads the settings from where they came from: the flags of the command, the variables, and their file.

    State: `known`, the fingerprint of all files as they were at the first reading.
    """

    def __init__(self, flags: Mapping[str, Any]) -> None:
        """Read nothing yet."""
        self._flags = dict(flags)
        self.file: Path | None = self._flags.get("config")
        self.known: Fingerprint | None = None

    def __call__(self) -> Settings:
        """Read them. Raises ConfigError."""
        before = fingerprint([self.file] if self.file else [])
        settings = settings_from(self._flags)
        if self.known is None:
            self.known = {**fingerprint(watched(settings, self.file)), **before}
        return settings


class Changes:
    """Tells when the files have changed that `settings` name, and their own.

    State: what the files were like when they were taken into use, and at the last look.
    """

    def __init__(self, settings: Settings, reread: Reread) -> None:
        """Begin with what was read at the start."""
        self.settings = settings
        self._file = reread.file
        self._taken = reread.known
        self._seen: Fingerprint | None = None

    def seen(self) -> bool:
        """Look. A change counts when two looks have seen the same: nobody is in the midst of writing it.

        It counts once, whatever a reload makes of it: that is tried again when a file changes again.
        """
        before, self._seen = self._seen, fingerprint(watched(self.settings, self._file))
        found = self._taken != self._seen == before
        if found:
            self._taken = self._seen
        return found


def reload(state: State, sites: Sites, reread: Callable[[], Settings]) -> Settings | None:
    """Read settings, rules and the certificate to listen with anew; where something is wrong all stays as it was.

    Gives the settings as they are now; None if they cannot be used.
    """
    try:
        settings = reread()
        rules = Rules(settings)
        sites.renew()
    except EsRerankError as error:
        log.error("reload failed, all stays as it was", reason=str(error))  # noqa: TRY400 - a person's slip, no fault
        return None
    except Exception:
        log.exception("reload failed, all stays as it was")
        return None
    state.rules.replace_with(rules)
    log.info("reloaded", rules=[rule.name for rule in state.rules], **_later(state.settings, settings))
    return settings


@asynccontextmanager
async def watching(state: State, sites: Sites, reread: Reread) -> AsyncIterator[None]:
    """Reload whenever a file has changed, for as long as the block runs, if the settings want it."""
    if state.settings.reload != "change":
        yield
        return
    watch = asyncio.create_task(_watch(state, sites, reread))
    try:
        yield
    finally:
        watch.cancel()
        with suppress(asyncio.CancelledError):
            await watch


async def _watch(state: State, sites: Sites, reread: Reread) -> None:
    """Look once a second."""
    changes = Changes(state.settings, reread)
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        # A network drive may keep one waiting.
        if await asyncio.to_thread(changes.seen):
            changes.settings = reload(state, sites, reread) or changes.settings


def watched(settings: Settings, file: Path | None) -> list[Path]:
    """List what a reload reads: the file of settings, the rules, the certificate to listen with and its key."""
    try:
        rules = files(settings.mappings)
    except ConfigError:
        rules = []
    named = (file, settings.listen_certificate, settings.listen_key)
    return [*rules, *(path for path in named if path is not None)]


def fingerprint(paths: Iterable[Path]) -> Fingerprint:
    """Take the fingerprint of files; of a link that of the file it leads to."""
    return {path: _state(path) for path in paths}


def _state(path: Path) -> tuple[int, ...] | None:
    """Look at one file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _later(before: Settings, now: Settings) -> dict[str, list[str]]:
    """Name the settings that have changed and wait for a restart."""
    changed = [
        name for name in Settings.model_fields if name not in INHERITED and getattr(before, name) != getattr(now, name)
    ]
    return {"after_a_restart": changed} if changed else {}
