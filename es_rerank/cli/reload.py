"""Reloads rules and TLS certificates on SIGHUP or when a file changes. If any of them is invalid, none is replaced.

Files are polled. inotify would detect a change sooner, but it does not work on network file systems, and it reports
every intermediate step when an editor saves a file or Kubernetes replaces the symbolic link to a folder.
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

POLL_SECONDS = 1.0

Fingerprint = Mapping[Path, tuple[int, ...] | None]
"""Inode, size, mtime and ctime (ns) of each file, for detecting changes; None for a file that cannot be read."""


class SettingsReader:
    """Reads the settings from command-line flags, environment variables and the settings file.

    Attributes:
        file: The settings file, if there is one.
        initial: Fingerprint of all configuration files at startup; None until the settings are read.

    """

    def __init__(self, flags: Mapping[str, Any]) -> None:
        """Store the command-line flags without reading any file."""
        self._flags = dict(flags)
        self.file: Path | None = self._flags.get("config")
        self.initial: Fingerprint | None = None

    def __repr__(self) -> str:
        """Show the path of the settings file, but not the command-line flags, which can contain secrets."""
        return f"SettingsReader(file={str(self.file) if self.file else None!r})"

    def __call__(self) -> Settings:
        """Read the settings. Raises ConfigError if they are invalid."""
        before = fingerprint([self.file] if self.file else [])
        settings = settings_from(self._flags)
        if self.initial is None:
            self.initial = {**fingerprint(configuration_files(settings, self.file)), **before}
        return settings


class ChangeDetector:
    """Detects changes of the settings file, the rule files, and the certificates and keys for TLS.

    Attributes:
        settings: The settings in use, with the paths of the files.

    """

    def __init__(self, settings: Settings, read_settings: SettingsReader) -> None:
        """Compare later polls with the state of the files at startup."""
        self.settings = settings
        self._file = read_settings.file
        self._loaded = read_settings.initial
        self._previous: Fingerprint | None = None

    def __repr__(self) -> str:
        """Show the files that are polled."""
        return f"ChangeDetector(files={[str(path) for path in configuration_files(self.settings, self._file)]})"

    def changed(self) -> bool:
        """Poll the files and return whether they have changed and must be reloaded.

        A change is reported only after two consecutive polls have found the same state, because a file could be
        incomplete at the first poll. Each change is reported once, even if the new files are invalid.
        """
        before, self._previous = self._previous, fingerprint(configuration_files(self.settings, self._file))
        complete = self._loaded != self._previous == before
        if complete:
            self._loaded = self._previous
        return complete


def load_configuration(
    read_settings: Callable[[], Settings], load_certificates: Callable[[], object]
) -> tuple[Settings, Rules]:
    """Load the certificates, and return settings and rules. Raises ConfigError if any of them is invalid."""
    settings = read_settings()
    rules = Rules(settings)
    load_certificates()
    return settings, rules


def reload(state: State, sites: Sites, read_settings: Callable[[], Settings]) -> Settings | None:
    """Reload rules and TLS certificates. If anything is invalid, the previous configuration stays in use.

    Returns:
        The settings that were read, or None if the configuration is invalid.

    """

    def renew() -> None:
        use_engine_certificates = state.upstream.renewal()
        sites.renew()
        use_engine_certificates()

    try:
        settings, rules = load_configuration(read_settings, renew)
    except EsRerankError as error:
        log.error("reload failed, previous configuration kept", reason=str(error))  # noqa: TRY400 - a user's mistake
        return None
    except Exception:
        log.exception("reload failed, previous configuration kept")
        return None
    state.rules.replace_with(rules)
    log.info("reloaded", rules=[rule.name for rule in state.rules], **_restart_required(state.settings, settings))
    return settings


@asynccontextmanager
async def watching(state: State, sites: Sites, read_settings: SettingsReader) -> AsyncIterator[None]:
    """Watch the files and reload after each change until the block ends, if the setting `reload` is `change`."""
    if state.settings.reload != "change":
        yield
        return
    watch = asyncio.create_task(_watch(state, sites, read_settings))
    try:
        yield
    finally:
        watch.cancel()
        with suppress(asyncio.CancelledError):
            await watch


async def _watch(state: State, sites: Sites, read_settings: SettingsReader) -> None:
    """Poll the files and reload after each change, until canceled."""
    detector = ChangeDetector(state.settings, read_settings)
    while True:
        await asyncio.sleep(POLL_SECONDS)
        # In a thread, because a network file system can block.
        if await asyncio.to_thread(detector.changed):
            detector.settings = reload(state, sites, read_settings) or detector.settings


def configuration_files(settings: Settings, file: Path | None) -> list[Path]:
    """Return the files that a reload reads: rule files, settings file, and the certificates and keys for TLS."""
    try:
        rules = files(settings.mappings)
    except ConfigError:
        rules = []
    listen = (settings.listen_certificate, settings.listen_key, settings.listen_client_ca)
    engine = (settings.upstream_ca, settings.upstream_certificate, settings.upstream_key)
    return [*rules, *(path for path in (file, *listen, *engine) if path is not None)]


def fingerprint(paths: Iterable[Path]) -> Fingerprint:
    """Return the fingerprint of files. Symbolic links are followed."""
    return {path: _file_state(path) for path in paths}


def _file_state(path: Path) -> tuple[int, ...] | None:
    """Return inode, size, mtime and ctime of a file, or None if it cannot be read."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _restart_required(before: Settings, now: Settings) -> dict[str, list[str]]:
    """Return a log field with the names of changed settings that require a restart; empty without such settings."""
    changed = [
        name for name in Settings.model_fields if name not in INHERITED and getattr(before, name) != getattr(now, name)
    ]
    return {"restart_required": changed} if changed else {}
