"""The vulnerability check, with a database on loopback; its processes run concurrently."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from es_rerank.testing import FakeResponse, FakeServer, ReceivedRequest, serve_fake
from tests import audit as auditing
from tests.audit import Report, audit, main, read

VULNERABLE = "jinja2==2.10"
VULNERABILITY = {
    "id": "PYSEC-0000-1",
    "summary": "A way out of the sandbox.",
    "affected": [
        {
            "package": {"name": "jinja2", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.10.1"}]}],
        }
    ],
}
ACCEPTED = {"PYSEC-0000-1": "no template is rendered"}


def database(vulnerable: Mapping[str, Any] | None) -> Callable[[ReceivedRequest], FakeResponse]:
    """Answer as OSV does: the vulnerabilities of one version of one package."""

    def answer(received: ReceivedRequest) -> FakeResponse:
        query = received.json
        known = vulnerable and (query["package"]["name"], query["version"]) == ("jinja2", "2.10")
        return FakeResponse(json.dumps({"vulns": [vulnerable]} if known else {}).encode())

    return answer


@pytest.fixture(scope="module")
def pins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("audit") / "pins.txt"
    file.write_text(f"{VULNERABLE}\nmarkupsafe==3.0.2\n")
    return file


CLEAN = FakeServer({"": database(None)})


@pytest.fixture(scope="module")
async def reports(pins: Path) -> Mapping[str, Report]:
    async def audited(fake: FakeServer, accepted: Mapping[str, str] | None = None) -> Report:
        async with serve_fake(fake):
            url = f"{fake.url}/v1/query"
            return await asyncio.to_thread(audit, pins, "--osv-url", url, accepted=accepted or {})

    runs = {
        "vulnerable": audited(FakeServer({"": database(VULNERABILITY)})),
        "accepted": audited(FakeServer({"": database(VULNERABILITY)}), ACCEPTED),
        "clean": audited(CLEAN),
        "busy": audited(FakeServer({"": FakeResponse(b"busy", status=503)})),
        "down": asyncio.to_thread(audit, pins, "--osv-url", "http://127.0.0.1:9/v1/query"),
        "no file": asyncio.to_thread(audit, pins.with_name("missing.txt")),
    }
    # One by itself, so that the others find byte code.
    first = await runs.pop("no file")
    return {"no file": first, **dict(zip(runs, await asyncio.gather(*runs.values()), strict=True))}


def test_a_known_vulnerability_fails_and_is_named(reports: Mapping[str, Report], pins: Path) -> None:
    assert reports["vulnerable"].failed
    assert reports["vulnerable"].lines == [
        "jinja2 2.10: PYSEC-0000-1, fixed in 2.10.1",
        f"{pins}: 2 packages audited, 1 known vulnerabilities",
    ]


def test_an_accepted_vulnerability_passes(reports: Mapping[str, Report], pins: Path) -> None:
    report = reports["accepted"]
    assert (report.failed, report.lines[-1]) == (False, f"{pins}: 2 packages audited, 0 known vulnerabilities")


def test_packages_without_known_vulnerabilities_pass(reports: Mapping[str, Report], pins: Path) -> None:
    report = reports["clean"]
    assert (report.failed, report.lines) == (False, [f"{pins}: 2 packages audited, 0 known vulnerabilities"])
    assert [(received.json["package"]["name"], received.json["version"]) for received in CLEAN.seen] == [
        ("jinja2", "2.10"),
        ("markupsafe", "3.0.2"),
    ]


@pytest.mark.parametrize("name", ["busy", "down"])
def test_an_unreachable_database_is_reported_and_no_failure(
    name: str, reports: Mapping[str, Report], pins: Path
) -> None:
    message = "NOT AUDITED, the vulnerability database cannot be reached"
    assert reports[name] == Report([f"{pins}: {message}"], failed=False)


def test_an_error_of_the_audit_itself_is_a_failure(reports: Mapping[str, Report]) -> None:
    assert reports["no file"].failed
    assert "pip-audit failed" in reports["no file"].lines[0]


def test_accepted_vulnerabilities_are_ignored_by_default() -> None:
    assert audit.__kwdefaults__ == {"accepted": auditing.ACCEPTED}


def test_packages_that_pip_audit_skipped_are_named() -> None:
    rows = [{"name": "a", "skip_reason": "no such package"}, {"name": "b", "version": "1", "vulns": []}]
    assert read(Path("x.txt"), {"dependencies": rows}) == Report(
        ["a: not audited: no such package", "x.txt: 1 packages audited, 0 known vulnerabilities"], failed=False
    )


def test_one_failed_file_fails_the_check(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(auditing, "audit", lambda file: Report([f"{file}!"], failed=file.name == "b.txt"))
    assert (main(["a.txt"]), main(["a.txt", "b.txt"])) == (0, 1)
    assert capsys.readouterr().out == "a.txt!\na.txt!\nb.txt!\n"
