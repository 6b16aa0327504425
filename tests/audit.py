"""Asks the OSV database for known vulnerabilities of what is pinned: `python -m tests.audit FILE...`.

Ends with 1 where there is one. Where the database cannot be reached nothing is known, which is said, and is no failure.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

# Vulnerabilities that do not concern this project, each with the reason why.
ACCEPTED: Mapping[str, str] = {}
# How pip-audit ends, with a traceback, where there is no answer.
_NO_ANSWER = re.compile(
    r"^\S*(ConnectionError|ConnectTimeout|ReadTimeout|ProxyError|SSLError|ServiceError)\b", re.MULTILINE
)
_SECONDS = 600
_WORDS = 300


class Found(NamedTuple):
    """What became of one file: the lines to print, and whether the check has failed."""

    lines: Sequence[str]
    failed: bool


def audit(requirements: Path, *flags: str) -> Found:
    """Audit the pins of one file."""
    ignored = [part for name in ACCEPTED for part in ("--ignore-vuln", name)]
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(requirements), "--disable-pip", "--no-deps"]
    more = ["--vulnerability-service", "osv", "--format", "json", "--progress-spinner", "off", *ignored, *flags]
    try:
        ended = subprocess.run([*command, *more], capture_output=True, text=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return Found(
            [f"{requirements}: NOT AUDITED, the database of vulnerabilities does not answer in time"], failed=False
        )
    try:
        return read(requirements, json.loads(ended.stdout))
    except ValueError:
        pass
    if _NO_ANSWER.search(ended.stderr):
        return Found([f"{requirements}: NOT AUDITED, the database of vulnerabilities cannot be reached"], failed=False)
    return Found([f"{requirements}: pip-audit failed: {ended.stderr[-_WORDS:].strip()}"], failed=True)


def read(requirements: Path, report: Mapping[str, Any]) -> Found:
    """Read the report of pip-audit: `{"dependencies": [{name, version, vulns} or {name, skip_reason}, ...]}`."""
    rows = report["dependencies"]
    known = [(row, one) for row in rows for one in row.get("vulns", ())]
    skipped = [f"{row['name']}: not audited: {row['skip_reason']}" for row in rows if "skip_reason" in row]
    lines = [f"{row['name']} {row['version']}: {one['id']}{_mended(one)}" for row, one in known]
    told = f"{requirements}: {len(rows) - len(skipped)} packages audited, {len(known)} known vulnerabilities"
    return Found([*skipped, *lines, told], failed=bool(known))


def _mended(one: Mapping[str, Any]) -> str:
    """Say where a vulnerability is mended."""
    versions = ", ".join(one.get("fix_versions", ()))
    return f", mended in {versions}" if versions else ", not mended yet"


def main(files: Sequence[str]) -> int:
    """Audit each file."""
    found = [audit(Path(file)) for file in files]
    sys.stdout.writelines(f"{line}\n" for one in found for line in one.lines)
    return int(any(one.failed for one in found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
