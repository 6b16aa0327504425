"""Checks pinned packages for known vulnerabilities in the OSV database: `python -m tests.audit FILE...`.

Exit status 1 if there is one. An unreachable database is reported and is not a failure, since nothing is known then.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

# Vulnerabilities that do not affect this project, each with the reason.
ACCEPTED: Mapping[str, str] = {}
# The exceptions with which pip-audit ends if the database cannot be reached.
_UNREACHABLE = re.compile(
    r"^\S*(ConnectionError|ConnectTimeout|ReadTimeout|ProxyError|SSLError|ServiceError)\b", re.MULTILINE
)
_TIMEOUT_SECONDS = 600
_MAX_ERROR_CHARACTERS = 300


class Report(NamedTuple):
    """The result for one file: the lines to print, and whether the check failed."""

    lines: Sequence[str]
    failed: bool


def audit(requirements: Path, *flags: str, accepted: Mapping[str, str] = ACCEPTED) -> Report:
    """Check the packages of one requirements file; *flags* are passed to pip-audit."""
    ignored = [part for name in accepted for part in ("--ignore-vuln", name)]
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(requirements), "--disable-pip", "--no-deps"]
    more = ["--vulnerability-service", "osv", "--format", "json", "--progress-spinner", "off", *ignored, *flags]
    try:
        ended = subprocess.run([*command, *more], capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return Report([f"{requirements}: NOT AUDITED, timeout of the vulnerability database"], failed=False)
    try:
        return read(requirements, json.loads(ended.stdout))
    except ValueError:
        pass
    if _UNREACHABLE.search(ended.stderr):
        return Report([f"{requirements}: NOT AUDITED, the vulnerability database cannot be reached"], failed=False)
    return Report([f"{requirements}: pip-audit failed: {ended.stderr[-_MAX_ERROR_CHARACTERS:].strip()}"], failed=True)


def read(requirements: Path, report: Mapping[str, Any]) -> Report:
    """Read a report of pip-audit: `{"dependencies": [{name, version, vulns} or {name, skip_reason}, ...]}`."""
    rows = report["dependencies"]
    known = [(row, vulnerability) for row in rows for vulnerability in row.get("vulns", ())]
    skipped = [f"{row['name']}: not audited: {row['skip_reason']}" for row in rows if "skip_reason" in row]
    lines = [f"{row['name']} {row['version']}: {one['id']}{_fixed_in(one)}" for row, one in known]
    summary = f"{requirements}: {len(rows) - len(skipped)} packages audited, {len(known)} known vulnerabilities"
    return Report([*skipped, *lines, summary], failed=bool(known))


def _fixed_in(vulnerability: Mapping[str, Any]) -> str:
    """Return in which versions a vulnerability is fixed."""
    versions = ", ".join(vulnerability.get("fix_versions", ()))
    return f", fixed in {versions}" if versions else ", not fixed yet"


def main(files: Sequence[str]) -> int:
    """Check each file and return the exit status."""
    reports = [audit(Path(file)) for file in files]
    sys.stdout.writelines(f"{line}\n" for report in reports for line in report.lines)
    return int(any(report.failed for report in reports))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
