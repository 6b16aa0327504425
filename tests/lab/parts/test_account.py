import os
import pwd
from pathlib import Path
from types import SimpleNamespace

import pytest

from es_rerank_lab.parts.account import Account, engine_account
from es_rerank_lab.parts.errors import PartError

OTHER = Account("other", 54321, 54321, switch=True)


def test_a_user_other_than_root_runs_engines_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert not engine_account().switch


def test_root_uses_the_first_unprivileged_account(monkeypatch: pytest.MonkeyPatch) -> None:
    def getpwnam(name: str) -> SimpleNamespace:
        return {"daemon": SimpleNamespace(pw_uid=1, pw_gid=2)}[name]

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(pwd, "getpwnam", getpwnam)
    assert engine_account() == Account("daemon", 1, 2, switch=True)


def test_root_without_an_unprivileged_account_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(pwd, "getpwnam", {}.__getitem__)
    with pytest.raises(PartError, match=r"refuse to run as root.*another user"):
        engine_account()


@pytest.mark.parametrize(
    ("parent", "own", "readable"), [(0o755, 0o755, True), (0o700, 0o755, False), (0o755, 0o700, False)]
)
def test_an_account_can_read_a_file_if_it_can_enter_all_parent_folders(
    parent: int, own: int, readable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes = {"/": 0o755, "/parent": parent, "/parent/own": own}
    monkeypatch.setattr(Path, "resolve", lambda path: path)
    monkeypatch.setattr(Path, "stat", lambda path: SimpleNamespace(st_uid=0, st_gid=0, st_mode=modes[str(path)]))
    assert OTHER.can_read(Path("/parent/own")) is readable


def test_no_account_can_read_a_missing_file(tmp_path: Path, me: Account) -> None:
    assert not OTHER.can_read(tmp_path / "missing")
    assert not me.can_read(tmp_path / "missing")
    assert me.can_read(tmp_path)


def test_a_failed_change_of_owner_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def chown(*_: object, **__: object) -> None:
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(os, "chown", chown)
    with pytest.raises(PartError, match="cannot be changed to user other"):
        OTHER.own(tmp_path)
