"""A child process in a group of its own, with a log, that never outlives us."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from es_rerank_lab.parts.account import Account
from es_rerank_lab.parts.errors import PartError
from es_rerank_lab.parts.progress import QUIET, Reporter

POLL_S = 0.2
GRACE_S = 15.0
TAIL_LINES = 20
_TAIL_BYTES = 16384
# The guard reads from a pipe that only we hold: when we are gone, however that came about, it reads the end
# and kills the group. PR_SET_PDEATHSIG would follow the thread that started the child, not the process.
_GUARD = 'trap "" INT TERM HUP; read -r _; kill -s KILL -- "-$1"'


@dataclass(frozen=True, kw_only=True)
class Command:
    """What to run: arguments, environment, folder, the log that takes its output, the user to run as."""

    argv: Sequence[str]
    log: Path
    env: Mapping[str, str]
    cwd: Path | None = None
    account: Account | None = None


class Process:
    """A running command; it ends with `stop`, `kill`, or with us."""

    def __init__(self, command: Command) -> None:
        self._command = command
        self.log = command.log
        self._run()

    def again(self) -> None:
        """Run the command once more, under a new `pid`; what is left of its group is killed first."""
        self.kill()
        self._run()

    @property
    def exit_code(self) -> int | None:
        """The exit code, minus the signal's number where one ended it; None while it runs."""
        return self._child.poll()

    def tail(self, lines: int = TAIL_LINES) -> str:
        """Read the last lines of the log, without the frames of Java's stack traces: the cause stands above them."""
        with suppress(OSError), self.log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
            found = file.read().decode("utf-8", "replace").splitlines()
            return "\n".join([line for line in found if not line.startswith("\tat ")][-lines:])
        return ""

    def stop(self, grace_s: float = GRACE_S) -> None:
        """Ask the group to end, and kill it after `grace_s` seconds. Harmless when it has ended."""
        try:
            if self.exit_code is None:
                self._signal(signal.SIGTERM)
                with suppress(subprocess.TimeoutExpired):
                    self._child.wait(grace_s)
        finally:
            self.kill()

    def kill(self) -> None:
        """Kill the group at once. Harmless when it has ended."""
        if self._guard.stdin is None or self._guard.stdin.closed:
            return
        self._signal(signal.SIGKILL)
        self._child.wait()
        self._guard.kill()
        self._guard.stdin.close()
        self._guard.wait()

    def _run(self) -> None:
        self._child = _spawned(self._command)
        self.pid = self._child.pid
        self._guard = subprocess.Popen(
            ["/bin/sh", "-c", _GUARD, "guard", str(self.pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)


def await_ready(
    process: Process, ready: Callable[[], bool], name: str, limit_s: float, reporter: Reporter = QUIET
) -> None:
    """Return when `ready` says yes.

    Raises PartError with the end of the log where the process ends first or `limit_s` seconds pass.
    """
    deadline = time.monotonic() + limit_s
    with reporter.step(f"start {name}") as step:
        while not ready():
            if process.exit_code is not None:
                raise PartError(_ended(name, process))
            if time.monotonic() > deadline:
                raise PartError(f"{name} did not answer within {limit_s:.0f} s. The end of its log:\n{process.tail()}")
            step.say(process.tail(1)[:80])
            time.sleep(POLL_S)


def _ended(name: str, process: Process) -> str:
    return f"{name} ended at its start with exit code {process.exit_code}. The end of its log:\n{process.tail()}"


def _spawned(command: Command) -> subprocess.Popen[bytes]:
    switch = command.account if command.account is not None and command.account.switch else None
    try:
        with command.log.open("ab") as log:
            return subprocess.Popen(
                list(command.argv),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=command.cwd,
                env=dict(command.env),
                start_new_session=True,
                user=switch.uid if switch else None,
                group=switch.gid if switch else None,
                extra_groups=[] if switch else None,
            )
    except OSError as error:
        who = f" as user {switch.name}" if switch else ""
        raise PartError(f"Cannot run {command.argv[0]}{who}: {error}.") from error
