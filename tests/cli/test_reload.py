from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from structlog.testing import capture_logs

from es_rerank.cli import reload as reloading
from es_rerank.cli.reload import SettingsReader, configuration_files, fingerprint, reload, watching
from es_rerank.config.settings import Settings
from es_rerank.errors import ConfigError
from es_rerank.server.state import State, build
from es_rerank.testing import until
from tests.cli.test_workers import WORKERS, team
from tests.processes import LIMIT_SECONDS


class Sites:
    """Counts the renewals of the certificate, or fails."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.fault = fault
        self.renewed = 0

    def renew(self) -> None:
        if self.fault:
            raise self.fault
        self.renewed += 1


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "docs.yaml").write_text("index: docs\nwindow: 10\n")
    return tmp_path


def running(folder: Path, **more: Any) -> tuple[State, Settings]:
    settings = Settings(mappings=folder, backend="identity", **more)
    return build(settings), settings


def hup(state: State, settings: Settings, sites: Sites | None = None) -> dict[str, Any]:
    chosen: Any = sites or Sites()
    with capture_logs() as lines:
        reload(state, chosen, lambda: settings)
    (line,) = lines
    return dict(line)


def windows(state: State) -> list[int]:
    return [rule.window for rule in state.rules]


def test_changed_rules_are_reloaded(folder: Path) -> None:
    state, settings = running(folder)
    (folder / "docs.yaml").write_text("index: docs\nwindow: 20\n")
    (folder / "more.yaml").write_text("index: more\n")
    sites = Sites()
    assert hup(state, settings, sites)["rules"] == ["docs", "more"]
    assert (windows(state), sites.renewed) == ([20, 50], 1)


def test_settings_that_rules_inherit_are_reloaded_and_those_that_require_a_restart_are_logged(folder: Path) -> None:
    state, settings = running(folder)
    (folder / "docs.yaml").write_text("index: docs\n")
    changed = settings.model_copy(update={"window": 30, "reranker_max_requests": 3, "upstream": ("http://other",)})
    assert hup(state, changed)["restart_required"] == ["upstream", "reranker_max_requests"]
    assert (windows(state), state.rules.default_rule.window) == ([30], 30)


def test_an_invalid_file_keeps_the_previous_rules_and_is_named(folder: Path) -> None:
    state, settings = running(folder)
    (folder / "docs.yaml").write_text("index: docs\nwindow: many\n")
    sites = Sites()
    line = hup(state, settings, sites)
    assert (line["event"], line["log_level"]) == ("reload failed, previous configuration kept", "error")
    assert "docs.yaml:2: window: " in line["reason"]
    assert (windows(state), sites.renewed) == ([10], 0)


def test_an_invalid_certificate_keeps_the_previous_rules_too(folder: Path) -> None:
    state, settings = running(folder)
    (folder / "docs.yaml").write_text("index: docs\nwindow: 20\n")
    line = hup(state, settings, Sites(ConfigError("listen_certificate: no such file")))
    assert (line["reason"], windows(state)) == ("listen_certificate: no such file", [10])


def test_an_invalid_certificate_for_the_engine_keeps_everything_and_is_named(folder: Path) -> None:
    ca = folder / "ca.pem"
    trustme.CA().cert_pem.write_to_path(ca)
    state, settings = running(folder, upstream_ca=ca)
    (folder / "docs.yaml").write_text("index: docs\nwindow: 20\n")
    ca.write_text("no certificate")
    sites = Sites()
    line = hup(state, settings, sites)
    assert (line["reason"].partition(":")[0], windows(state), sites.renewed) == ("upstream_ca", [10], 0)


# --- files that change -----------------------------------------------------------------------------------------------

POLL_SECONDS = 0.002
MORE_POLLS = 10
FLAGS: dict[str, Any] = {"config": None, "backend": "identity", "reload": "change"}
FAILED, RELOADED = "reload failed, previous configuration kept", "reloaded"


def put(path: Path, text: str) -> None:
    """Write as editors do: a new file, renamed."""
    part = path.with_name(f".{path.name}.part")
    part.write_text(text)
    part.replace(path)


def moved(path: Path, name: str) -> Path:
    return path.rename(path.with_name(name))


class Watched:
    """An endpoint whose files are polled, what it logged, and the number of polls."""

    def __init__(self, state: State, lines: Sequence[Any], polls: list[Any]) -> None:
        self.state = state
        self.lines = lines
        self.polls = polls

    def events(self) -> list[str]:
        return [line["event"] for line in self.lines]

    async def logged(self, *events: str) -> None:
        """Wait until these events have been logged, and make sure by some more polls that none follows."""
        await until(lambda: len(self.events()) >= len(events))
        after = len(self.polls) + MORE_POLLS
        if self.state.settings.reload == "change":
            await until(lambda: len(self.polls) >= after)
        assert self.events() == list(events)

    @property
    def windows(self) -> list[int]:
        return windows(self.state)


@asynccontextmanager
async def watch(
    folder: Path, monkeypatch: pytest.MonkeyPatch, sites: Any = None, **flags: Any
) -> AsyncIterator[Watched]:
    polls: list[Any] = []
    changed = reloading.ChangeDetector.changed

    def counted(detector: reloading.ChangeDetector) -> bool:
        polls.append(detector)
        return changed(detector)

    monkeypatch.setattr(reloading, "POLL_SECONDS", POLL_SECONDS)
    monkeypatch.setattr(reloading.ChangeDetector, "changed", counted)
    read_settings = SettingsReader(FLAGS | {"mappings": str(folder), **flags})
    state = build(read_settings())
    with capture_logs() as lines:
        async with watching(state, sites or Sites(), read_settings):
            yield Watched(state, lines, polls)


async def test_unchanged_files_are_not_reloaded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with watch(folder, monkeypatch) as seen:
        (folder / "notes.txt").write_text("no rule")
        (folder / ".#docs.yaml").symlink_to("nobody@nowhere")
        await seen.logged()


async def test_changed_added_renamed_and_removed_rules_are_reloaded(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with watch(folder, monkeypatch) as seen:
        put(folder / "docs.yaml", "index: docs\nwindow: 20\n")
        await seen.logged(RELOADED)
        put(folder / "more.yml", "index: more\nwindow: 7\n")
        await seen.logged(RELOADED, RELOADED)
        assert seen.windows == [20, 7]
        (folder / "more.yml").rename(folder / "a.yml")
        await seen.logged(*[RELOADED] * 3)
        assert seen.windows == [7, 20]
        (folder / "docs.yaml").unlink()
        await seen.logged(*[RELOADED] * 4)
        assert seen.windows == [7]


async def test_a_folder_behind_a_symbolic_link_is_replaced_as_kubernetes_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Kubernetes ConfigMap: `docs.yaml` -> `..data/docs.yaml`, and `..data` -> a folder, which is swapped."""
    for name, size in (("..first", 10), ("..second", 20)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "docs.yaml").write_text(f"index: docs\nwindow: {size}\n")
    (tmp_path / "..data").symlink_to("..first")
    (tmp_path / "docs.yaml").symlink_to("..data/docs.yaml")
    async with watch(tmp_path, monkeypatch) as seen:
        (tmp_path / "..data_tmp").symlink_to("..second")
        (tmp_path / "..data_tmp").replace(tmp_path / "..data")
        await seen.logged(RELOADED)
        assert seen.windows == [20]


async def test_an_invalid_file_is_logged_once_per_change_and_reloaded_when_valid(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with watch(folder, monkeypatch) as seen:
        put(folder / "docs.yaml", "index: docs\nwindow: [")
        await seen.logged(FAILED)
        put(folder / "docs.yaml", "index: docs\nwindow: many\n")
        await seen.logged(FAILED, FAILED)
        assert [line["reason"].partition(": ")[0][-11:] for line in seen.lines] == ["docs.yaml:2"] * 2
        assert seen.windows == [10]
        put(folder / "docs.yaml", "index: docs\nwindow: 30\n")
        await seen.logged(FAILED, FAILED, RELOADED)
        assert seen.windows == [30]


async def test_an_unexpected_error_is_logged_and_polling_continues(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with watch(folder, monkeypatch) as seen:
        with monkeypatch.context() as broken:
            broken.setattr(reloading, "Rules", lambda _: 1 / 0)
            put(folder / "docs.yaml", "index: docs\nwindow: 20\n")
            await seen.logged(FAILED)
            assert seen.lines[0]["exc_info"]
            assert seen.windows == [10]
        put(folder / "docs.yaml", "index: docs\nwindow: 30\n")
        await seen.logged(FAILED, RELOADED)
        assert seen.windows == [30]


async def test_a_file_is_not_read_while_it_is_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file grows between any two polls: it is read once, when it is complete."""
    polls = [0]

    def growing(paths: Any) -> Any:
        polls[0] += 1
        if 2 <= polls[0] <= 6:
            (folder / "docs.yaml").write_text("index: docs\nwindow: 2" + "0" * (polls[0] // 4))
        return fingerprint(paths)

    monkeypatch.setattr(reloading, "fingerprint", growing)
    async with watch(folder, monkeypatch) as seen:
        await seen.logged(RELOADED)
        assert seen.windows == [20]


async def test_a_missing_folder_keeps_the_rules(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with watch(folder, monkeypatch) as seen:
        away = moved(folder, "away")
        await seen.logged(FAILED)
        assert seen.windows == [10]
        moved(away, folder.name)
        await seen.logged(FAILED, RELOADED)


async def test_the_settings_file_is_polled_and_can_name_other_files(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path_factory.mktemp("other")
    (other / "letters.yaml").write_text("index: letters\n")
    config = other / "settings.yml.conf"
    config.write_text(f"mappings: {folder}\n")
    async with watch(folder, monkeypatch, mappings=None, config=config) as seen:
        put(config, f"mappings: {other}\nwindow: 40\n")
        await until(lambda: seen.windows == [40])
        await seen.logged(RELOADED, RELOADED)  # the second for the files it leads to
        put(other / "letters.yaml", "index: letters\nwindow: 5\n")
        await until(lambda: seen.windows == [5])


async def test_a_change_during_startup_is_reloaded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reloading, "POLL_SECONDS", POLL_SECONDS)
    read_settings = SettingsReader(FLAGS | {"mappings": str(folder)})
    state = build(read_settings())
    put(folder / "docs.yaml", "index: docs\nwindow: 20\n")
    async with watching(state, Sites(), read_settings):  # type: ignore[arg-type]
        await until(lambda: windows(state) == [20])


async def test_a_renewed_certificate_is_reloaded(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path_factory.mktemp("tls")
    certificate, key = own / "a.pem", own / "a.key"

    def issue() -> None:
        issued = trustme.CA().issue_cert("localhost")
        issued.private_key_pem.write_to_path(key)
        issued.cert_chain_pems[0].write_to_path(certificate)

    issue()
    sites = Sites()
    files = {"listen_certificate": str(certificate), "listen_key": str(key)}
    async with watch(folder, monkeypatch, sites, **files) as seen:
        issue()
        await seen.logged(RELOADED)
        assert sites.renewed == 1


async def test_by_default_files_are_not_polled(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with watch(folder, monkeypatch, reload="signal") as seen:
        put(folder / "docs.yaml", "index: docs\nwindow: 20\n")
        await asyncio.sleep(POLL_SECONDS * MORE_POLLS)
        await seen.logged()
        assert seen.polls == []
    assert Settings().reload == "signal"


def test_a_fingerprint_changes_with_content_inode_and_existence(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("one")
    (known,) = fingerprint([file]).values()
    assert known
    assert fingerprint([file]) == {file: known}
    kept = file.stat()
    file.write_text("two")
    os.utime(file, ns=(kept.st_atime_ns, kept.st_mtime_ns))  # the same size, time and inode
    (written,) = fingerprint([file]).values()
    put(file, "six")
    os.utime(file, ns=(kept.st_atime_ns, kept.st_mtime_ns))  # the same size and time
    (renamed,) = fingerprint([file]).values()
    file.unlink()
    assert len({known, written, renamed, *fingerprint([file]).values()}) == 4


def test_all_files_that_a_reload_reads_are_polled(folder: Path) -> None:
    names = ("listen_certificate", "listen_key", "listen_client_ca", "upstream_ca", "upstream_certificate")
    tls = {name: Path(f"{name}.pem") for name in (*names, "upstream_key")}
    assert configuration_files(Settings(mappings=folder, **tls), Path("s.yaml")) == [  # type: ignore[arg-type]
        folder / "docs.yaml",
        Path("s.yaml"),
        *tls.values(),
    ]
    assert configuration_files(Settings(mappings=folder / "none"), None) == []
    assert configuration_files(Settings(), None) == []


def test_each_worker_polls_its_files_and_reloads_on_sighup(folder: Path) -> None:
    with team("--reload", "change", "--mappings", str(folder)) as running:
        put(folder / "docs.yaml", "index: docs\nwindow: many\n")
        running.wait_for_event(FAILED, WORKERS)
        put(folder / "docs.yaml", "index: docs\nwindow: 20\n")
        running.wait_for_event(RELOADED, WORKERS)
        running.signal(signal.SIGHUP)
        running.wait_for_event(RELOADED, 2 * WORKERS)
        running.signal(signal.SIGTERM)
        assert running.process.wait(LIMIT_SECONDS) == 0
        assert running.log_text().count(FAILED) == WORKERS
