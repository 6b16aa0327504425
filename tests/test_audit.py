from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from es_rerank.testing import FakeResponse, FakeServer, ReceivedRequest, serve_fake
from tests import audit as auditing
from tests.audit import Found, audit, main, read

BAD = "jinja2==2.10"
VULNERABILITY = {
    "id": "PYSEC-0000-1",
    "summary": "A sandbox that is none.",
    "affected": [
        {
            "package": {"name": "jinja2", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.10.1"}]}],
        }
    ],
}


@pytest.fixture
def pins(tmp_path: Path) -> Path:
    file = tmp_path / "pins.txt"
    file.write_text(f"{BAD}\nmarkupsafe==3.0.2\n")
    return file


def database(vulnerable: Mapping[str, Any] | None) -> Callable[[ReceivedRequest], FakeResponse]:
    """Answer as OSV does: what is known of one version of one package."""

    def said(seen: ReceivedRequest) -> FakeResponse:
        asked = seen.json
        known = vulnerable and (asked["package"]["name"], asked["version"]) == ("jinja2", "2.10")
        return FakeResponse(json.dumps({"vulns": [vulnerable]} if known else {}).encode())

    return said


async def audited(pins: Path, fake: FakeServer) -> Found:
    """Run the auditor itself against a database on loopback."""
    async with serve_fake(fake) as found:
        return await asyncio.to_thread(audit, pins, "--osv-url", f"{found.url}/v1/query")


async def test_a_known_vulnerability_fails_and_is_named(pins: Path) -> None:
    found = await audited(pins, FakeServer({"": database(VULNERABILITY)}))
    assert found.failed
    assert found.lines == [
        "jinja2 2.10: PYSEC-0000-1, mended in 2.10.1",
        f"{pins}: 2 packages audited, 1 known vulnerabilities",
    ]


async def test_one_that_is_accepted_does_not(pins: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auditing, "ACCEPTED", {"PYSEC-0000-1": "nobody writes templates here"})
    found = await audited(pins, FakeServer({"": database(VULNERABILITY)}))
    assert (found.failed, found.lines[-1]) == (False, f"{pins}: 2 packages audited, 0 known vulnerabilities")


async def test_what_is_not_known_to_be_vulnerable_passes(pins: Path) -> None:
    fake = FakeServer({"": database(None)})
    found = await audited(pins, fake)
    assert (found.failed, found.lines) == (False, [f"{pins}: 2 packages audited, 0 known vulnerabilities"])
    assert [(seen.json["package"]["name"], seen.json["version"]) for seen in fake.seen] == [
        ("jinja2", "2.10"),
        ("markupsafe", "3.0.2"),
    ]


async def test_a_database_that_is_down_is_said_and_is_no_failure(pins: Path) -> None:
    words = "NOT AUDITED, the database of vulnerabilities cannot be reached"
    assert await audited(pins, FakeServer({"": FakeResponse(b"busy", status=503)})) == Found(
        [f"{pins}: {words}"], failed=False
    )
    nowhere = await asyncio.to_thread(audit, pins, "--osv-url", "http://127.0.0.1:9/v1/query")
    assert nowhere == Found([f"{pins}: {words}"], failed=False)


async def test_a_fault_of_the_audit_itself_is_a_failure(tmp_path: Path) -> None:
    found = await asyncio.to_thread(audit, tmp_path / "nowhere.txt")
    assert found.failed
    assert "pip-audit failed" in found.lines[0]


def test_what_the_auditor_left_out_is_named() -> None:
    rows = [{"name": "a", "skip_reason": "no such package"}, {"name": "b", "version": "1", "vulns": []}]
    assert read(Path("x.txt"), {"dependencies": rows}) == Found(
        ["a: not audited: no such package", "x.txt: 1 packages audited, 0 known vulnerabilities"], failed=False
    )


def test_one_file_that_fails_is_enough(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(auditing, "audit", lambda file: Found([f"{file}!"], failed=file.name == "b.txt"))
    assert (main(["a.txt"]), main(["a.txt", "b.txt"])) == (0, 1)
    assert capsys.readouterr().out == "a.txt!\na.txt!\nb.txt!\n"
