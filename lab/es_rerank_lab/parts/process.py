"""Child processes with a log file, in their own process groups, which are killed when this process ends."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from es_rerank_lab.parts.account import Account
from es_rerank_lab.parts.errors import PartError
from es_rerank_lab.parts.progress import QUIET, Reporter

POLL_SECONDS = 0.2
GRACE_SECONDS = 15.0
# Time for killed processes to disappear: a process that uses a GPU or much memory takes seconds.
_END_SECONDS = 30.0
TAIL_LINES = 20
_TAIL_BYTES = 16384
# The guard is a shell process that reads from a pipe to this process. When this process ends, even if it is killed, the
# guard reads EOF and kills the child's process group. PR_SET_PDEATHSIG is not used, because it is sent when the thread
# that started the child ends.
_GUARD = 'trap "" INT TERM HUP; read -r _; kill -s KILL -- "-$1"'


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command: arguments, log file for its output, environment, working directory, and the account that runs it."""

    argv: Sequence[str]
    log: Path
    env: Mapping[str, str]
    cwd: Path | None = None
    account: Account | None = None


class Process:
    """A running command.

    Attributes:
        log: The log file.
        pid: The process ID, which is also the ID of its process group.

    """

    def __init__(self, command: Command) -> None:
        """Start the command. Raises PartError if it cannot be run."""
        self._command = command
        self.log = command.log
        self._run()

    def __repr__(self) -> str:
        """Return the program, process ID and exit code."""
        return f"Process({self._command.argv[0]!r}, pid={self.pid}, exit_code={self.exit_code})"

    def again(self) -> None:
        """Kill the remaining processes of the group, and run the command again, with a new `pid`."""
        self.kill()
        self._run()

    @property
    def exit_code(self) -> int | None:
        """The exit code, or the negative number of the signal that ended the process; None while it runs."""
        return self._child.poll()

    def tail(self, lines: int = TAIL_LINES) -> str:
        """Return the last lines of the log, without the frames of Java stack traces, which would obscure the cause."""
        with suppress(OSError), self.log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
            text = file.read().decode("utf-8", "replace").splitlines()
            return "\n".join([line for line in text if not line.startswith("\tat ")][-lines:])
        return ""

    def stop(self, grace_seconds: float = GRACE_SECONDS) -> None:
        """Terminate the process group, and kill it after *grace_seconds*. Has no effect if it has ended."""
        try:
            if self.exit_code is None:
                self._signal(signal.SIGTERM)
                with suppress(subprocess.TimeoutExpired):
                    self._child.wait(grace_seconds)
        finally:
            self.kill()

    def kill(self) -> None:
        """Kill the process group, and wait until none of its processes is left. Has no effect if it has ended.

        A process of the group can run longer than the command. For example, if the API server of vLLM is killed, vLLM's
        engine process continues to run and keeps its memory.
        """
        if self._guard.stdin is None or self._guard.stdin.closed:
            return
        self._signal(signal.SIGKILL)
        self._child.wait()
        deadline = time.monotonic() + _END_SECONDS
        while _runs(self.pid) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        self._guard.kill()
        self._guard.stdin.close()
        self._guard.wait()

    def _run(self) -> None:
        """Start the command and its guard."""
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
        """Send a signal to the process group."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)


def await_ready(
    process: Process, ready: Callable[[], bool], name: str, timeout_seconds: float, reporter: Reporter = QUIET
) -> None:
    """Wait until *ready* returns True.

    Raises PartError, with the end of the log, if the process ends during startup or the timeout is reached.
    """
    deadline = time.monotonic() + timeout_seconds
    with reporter.step(f"start {name}") as step:
        while not ready():
            if process.exit_code is not None:
                raise PartError(_ended(name, process))
            if time.monotonic() > deadline:
                raise PartError(
                    f"{name} did not answer within {timeout_seconds:.0f} s. End of its log:\n{process.tail()}"
                )
            step.say(process.tail(1)[:80])
            time.sleep(POLL_SECONDS)


def _runs(group: int) -> bool:
    """Return whether a process of a process group is running. Zombies, which hold no memory, do not count."""
    for process in psutil.process_iter():
        with suppress(psutil.Error, ProcessLookupError):
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                return True
    return False


def _ended(name: str, process: Process) -> str:
    """Return the error message for a process that ended during startup."""
    return f"{name} ended during startup with exit code {process.exit_code}. End of its log:\n{process.tail()}"


def _spawned(command: Command) -> subprocess.Popen[bytes]:
    """Start a command in a new session. Raises PartError if it cannot be run."""
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
