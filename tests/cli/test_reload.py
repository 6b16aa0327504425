from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from structlog.testing import capture_logs

from es_rerank.cli import reload as reloading
from es_rerank.cli.reload import Reread, fingerprint, reload, watched, watching
from es_rerank.config.settings import Settings
from es_rerank.errors import ConfigError
from es_rerank.server.state import State, build


class Sites:
    """Notes that the certificate was renewed, or refuses."""

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


def test_changed_rules_are_taken_into_use(folder: Path) -> None:
    state, settings = running(folder)
    (folder / "docs.yaml").write_text("index: docs\nwindow: 20\n")
    (folder / "more.yaml").write_text("index: more\n")
    sites = Sites()
    assert hup(state, settings, sites)["rules"] == ["docs", "more"]
    assert (windows(state), sites.renewed) == ([20, 50], 1)


def test_what_rules_inherit_is_taken_into_use_and_what_waits_for_a_restart_is_said(folder: Path) -> None:
    state, settings = running(folder)
    (folder / "docs.yaml").write_text("index: docs\n")
    changed = settings.model_copy(update={"window": 30, "reranker_max_requests": 3, "upstream": ("http://other",)})
    assert hup(state, changed)["after_a_restart"] == ["upstream", "reranker_max_requests"]
    assert (windows(state), state.rules.default_rule.window) == ([30], 30)


def test_a_broken_file_keeps_the_rules_before_and_is_named(folder: Path) -> None:
    state, settings = running(folder)
    (folder / "docs.yaml").write_text("index: docs\nwindow: many\n")
    sites = Sites()
    line = hup(state, settings, sites)
    assert (line["event"], line["log_level"]) == ("reload failed, all stays as it was", "error")
    assert "docs.yaml:2: window: " in line["reason"]
    assert (windows(state), sites.renewed) == ([10], 0)


def test_a_certificate_that_cannot_be_used_keeps_the_rules_before_too(folder: Path) -> None:
    state, settings = running(folder)
    (folder / "docs.yaml").write_text("index: docs\nwindow: 20\n")
    line = hup(state, settings, Sites(ConfigError("listen_certificate: no such file")))
    assert (line["reason"], windows(state)) == ("listen_certificate: no such file", [10])


# --- files that change -----------------------------------------------------------------------------------------------

LIMIT_S = 20.0
LOOKS = 0.02
FLAGS: dict[str, Any] = {"config": None, "backend": "identity", "reload": "change"}
FAILED, RELOADED = "reload failed, all stays as it was", "reloaded"


def put(path: Path, text: str) -> None:
    """Write as editors do: a file beside it, renamed."""
    beside = path.with_name(f".{path.name}.part")
    beside.write_text(text)
    beside.replace(path)


def moved(path: Path, name: str) -> Path:
    return path.rename(path.with_name(name))


async def until(found: Callable[[], object], what: str) -> None:
    limit = time.monotonic() + LIMIT_S
    while not found():
        assert time.monotonic() < limit, what
        await asyncio.sleep(0.01)


class Watched:
    """An endpoint whose files are watched, and what it logged."""

    def __init__(self, state: State, lines: Sequence[Any]) -> None:
        self.state = state
        self.lines = lines

    def events(self) -> list[str]:
        return [line["event"] for line in self.lines]

    async def said(self, *events: str) -> None:
        """Wait until just these have been logged, and make sure by some more looks that nothing follows."""
        await until(lambda: len(self.events()) >= len(events), f"{events}: {self.lines}")
        await asyncio.sleep(LOOKS * 10)
        assert self.events() == list(events)

    @property
    def windows(self) -> list[int]:
        return windows(self.state)


@asynccontextmanager
async def watch(
    folder: Path, monkeypatch: pytest.MonkeyPatch, sites: Any = None, **flags: Any
) -> AsyncIterator[Watched]:
    monkeypatch.setattr(reloading, "LOOK_SECONDS", LOOKS)
    reread = Reread(FLAGS | {"mappings": str(folder), **flags})
    state = build(reread())
    with capture_logs() as lines:
        async with watching(state, sites or Sites(), reread):
            yield Watched(state, lines)


async def test_files_that_stay_as_they_are_are_left_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with watch(folder, monkeypatch) as seen:
        (folder / "notes.txt").write_text("no rule")
        (folder / ".#docs.yaml").symlink_to("nobody@nowhere")
        await seen.said()


async def test_rules_that_are_changed_added_renamed_and_removed_are_taken(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with watch(folder, monkeypatch) as seen:
        put(folder / "docs.yaml", "index: docs\nwindow: 20\n")
        await seen.said(RELOADED)
        put(folder / "more.yml", "index: more\nwindow: 7\n")
        await seen.said(RELOADED, RELOADED)
        assert seen.windows == [20, 7]
        (folder / "more.yml").rename(folder / "a.yml")
        await seen.said(*[RELOADED] * 3)
        assert seen.windows == [7, 20]
        (folder / "docs.yaml").unlink()
        await seen.said(*[RELOADED] * 4)
        assert seen.windows == [7]


async def test_a_folder_behind_a_link_is_swapped_as_clusters_do(
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
        await seen.said(RELOADED)
        assert seen.windows == [20]


async def test_a_broken_file_is_told_once_a_change_and_taken_when_it_is_whole(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with watch(folder, monkeypatch) as seen:
        put(folder / "docs.yaml", "index: docs\nwindow: [")
        await seen.said(FAILED)
        put(folder / "docs.yaml", "index: docs\nwindow: many\n")
        await seen.said(FAILED, FAILED)
        assert [line["reason"].partition(": ")[0][-11:] for line in seen.lines] == ["docs.yaml:2"] * 2
        assert seen.windows == [10]
        put(folder / "docs.yaml", "index: docs\nwindow: 30\n")
        await seen.said(FAILED, FAILED, RELOADED)
        assert seen.windows == [30]


async def test_a_fault_that_nobody_has_foreseen_is_told_and_ends_no_watch(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with watch(folder, monkeypatch) as seen:
        with monkeypatch.context() as broken:
            broken.setattr(reloading, "Rules", lambda _: 1 / 0)
            put(folder / "docs.yaml", "index: docs\nwindow: 20\n")
            await seen.said(FAILED)
            assert seen.lines[0]["exc_info"]
            assert seen.windows == [10]
        put(folder / "docs.yaml", "index: docs\nwindow: 30\n")
        await seen.said(FAILED, RELOADED)
        assert seen.windows == [30]


async def test_what_is_still_being_written_is_waited_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between any two looks the file has grown: it is read once, when it is whole."""
    looks = [0]

    def growing(paths: Any) -> Any:
        looks[0] += 1
        if 2 <= looks[0] <= 6:
            (folder / "docs.yaml").write_text("index: docs\nwindow: 2" + "0" * (looks[0] // 4))
        return fingerprint(paths)

    monkeypatch.setattr(reloading, "fingerprint", growing)
    async with watch(folder, monkeypatch) as seen:
        await seen.said(RELOADED)
        assert seen.windows == [20]


async def test_a_folder_that_is_gone_keeps_the_rules(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with watch(folder, monkeypatch) as seen:
        away = moved(folder, "away")
        await seen.said(FAILED)
        assert seen.windows == [10]
        moved(away, folder.name)
        await seen.said(FAILED, RELOADED)


async def test_the_file_of_settings_is_looked_at_and_leads_to_other_files(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path_factory.mktemp("other")
    (other / "letters.yaml").write_text("index: letters\n")
    config = other / "settings.yml.conf"
    config.write_text(f"mappings: {folder}\n")
    async with watch(folder, monkeypatch, mappings=None, config=config) as seen:
        put(config, f"mappings: {other}\nwindow: 40\n")
        await until(lambda: seen.windows == [40], "not taken")
        await seen.said(RELOADED, RELOADED)  # the second for the files it leads to
        put(other / "letters.yaml", "index: letters\nwindow: 5\n")
        await until(lambda: seen.windows == [5], "not taken")


async def test_what_changes_while_the_endpoint_starts_is_taken(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reloading, "LOOK_SECONDS", LOOKS)
    reread = Reread(FLAGS | {"mappings": str(folder)})
    state = build(reread())
    put(folder / "docs.yaml", "index: docs\nwindow: 20\n")
    async with watching(state, Sites(), reread):  # type: ignore[arg-type]
        await until(lambda: windows(state) == [20], "not taken")


async def test_a_renewed_certificate_is_taken(
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
        await seen.said(RELOADED)
        assert sites.renewed == 1


async def test_by_default_files_are_read_on_the_signal_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with watch(folder, monkeypatch, reload="signal") as seen:
        put(folder / "docs.yaml", "index: docs\nwindow: 20\n")
        await seen.said()
    assert Settings().reload == "signal"


def test_a_file_is_told_from_what_it_was_whatever_is_kept_the_same(tmp_path: Path) -> None:
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


def test_what_a_reload_reads_is_looked_at(folder: Path) -> None:
    pair = {"listen_certificate": Path("a.pem"), "listen_key": Path("a.key")}
    assert watched(Settings(mappings=folder, **pair), Path("s.yaml")) == [  # type: ignore[arg-type]
        folder / "docs.yaml",
        Path("s.yaml"),
        Path("a.pem"),
        Path("a.key"),
    ]
    assert watched(Settings(mappings=folder / "none"), None) == []
    assert watched(Settings(), None) == []


def test_each_worker_watches_for_itself_and_the_signal_still_works(folder: Path, tmp_path: Path) -> None:
    words = ["--workers", "2", "--backend", "identity", "--upstream", "http://127.0.0.1:9"]
    words += ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]
    argv = [sys.executable, "-m", "es_rerank", "serve", *words, "--reload", "change", "--mappings", str(folder)]
    own = {name: value for name, value in os.environ.items() if not name.startswith("ES_RERANK_")}
    with (
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=log, env=own) as process,
    ):

        def told(event: str, times: int) -> None:
            limit = time.monotonic() + LIMIT_S * 3
            while (said := (tmp_path / "log").read_text()).count(f'"event": "{event}"') < times:
                assert time.monotonic() < limit, said
                time.sleep(0.05)

        try:
            told("listening", 2)
            put(folder / "docs.yaml", "index: docs\nwindow: many\n")
            told(FAILED, 2)
            put(folder / "docs.yaml", "index: docs\nwindow: 20\n")
            told(RELOADED, 2)
            process.send_signal(signal.SIGHUP)
            told(RELOADED, 4)
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(LIMIT_S) == 0
    assert (tmp_path / "log").read_text().count(FAILED) == 2
