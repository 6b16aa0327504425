import os
import pwd
from pathlib import Path
from types import SimpleNamespace

import pytest

from es_rerank_lab.parts.account import Account, engine_account
from es_rerank_lab.parts.errors import PartError

STRANGER = Account("stranger", 54321, 54321, switch=True)


def test_someone_who_is_not_root_runs_engines_as_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert not engine_account().switch


def test_root_takes_the_first_unprivileged_account_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def getpwnam(name: str) -> SimpleNamespace:
        return {"daemon": SimpleNamespace(pw_uid=1, pw_gid=2)}[name]

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(pwd, "getpwnam", getpwnam)
    assert engine_account() == Account("daemon", 1, 2, switch=True)


def test_root_without_any_other_account_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(pwd, "getpwnam", {}.__getitem__)
    with pytest.raises(PartError, match=r"refuse to run as root.*another user"):
        engine_account()


@pytest.mark.parametrize(
    ("above", "own", "reached"), [(0o755, 0o755, True), (0o700, 0o755, False), (0o755, 0o700, False)]
)
def test_a_stranger_reaches_what_every_folder_above_opens(
    above: int, own: int, reached: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes = {"/": 0o755, "/above": above, "/above/own": own}
    monkeypatch.setattr(Path, "resolve", lambda path: path)
    monkeypatch.setattr(Path, "stat", lambda path: SimpleNamespace(st_uid=0, st_gid=0, st_mode=modes[str(path)]))
    assert STRANGER.reaches(Path("/above/own")) is reached


def test_nobody_reaches_what_is_not_there(tmp_path: Path, me: Account) -> None:
    assert not STRANGER.reaches(tmp_path / "missing")
    assert not me.reaches(tmp_path / "missing")
    assert me.reaches(tmp_path)


def test_files_that_cannot_be_given_away_are_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def chown(*_: object, **__: object) -> None:
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(os, "chown", chown)
    with pytest.raises(PartError, match="cannot be given to user stranger"):
        STRANGER.takes(tmp_path)
