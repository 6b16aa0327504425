"""Who is told what a long step is doing: a terminal with bars, or nobody."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn, TimeElapsedColumn
from rich.text import Text

_MEGABYTE = 1e6


class Step(Protocol):
    """One long step under way."""

    def advance(self, amount: float) -> None:
        """Count `amount` more of the step's total."""

    def say(self, detail: str) -> None:
        """Show what the step is at."""


class Reporter(Protocol):
    """Told of every long step; `QUIET` and `RichReporter` are the two there are."""

    def step(self, text: str, total: float | None = None, unit: str = "MB") -> AbstractContextManager[Step]:
        """Open a step; `total` is in bytes, or counts what `unit` says. Without it only the elapsed time is shown."""


class _QuietStep:
    def advance(self, amount: float) -> None:
        pass

    def say(self, detail: str) -> None:
        pass


class _Quiet:
    @contextmanager
    def step(self, text: str, total: float | None = None, unit: str = "MB") -> Iterator[Step]:  # noqa: ARG002
        yield _QuietStep()


QUIET: Reporter = _Quiet()


class _Amount(ProgressColumn):
    def render(self, task: Task) -> Text:
        if task.total is None or not task.fields.get("measured"):
            return Text(str(task.fields.get("detail", "")), style="dim")
        unit = task.fields["unit"]
        scale = _MEGABYTE if unit == "MB" else 1
        return Text(f"{task.completed / scale:.0f}/{task.total / scale:.0f} {unit}", style="progress.download")


class _RichStep:
    def __init__(self, progress: Progress, task: Task) -> None:
        self._progress, self._task = progress, task

    def advance(self, amount: float) -> None:
        self._progress.advance(self._task.id, amount)

    def say(self, detail: str) -> None:
        self._progress.update(self._task.id, detail=detail)


class RichReporter:
    """Shows every step as a bar (known total) or a spinner; a context manager around the steps.

    Where the output is no terminal, one line is printed as each step begins and ends.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)
        self._progress = Progress(
            SpinnerColumn(finished_text="[green]✓"),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            _Amount(),
            TimeElapsedColumn(),
            console=self.console,
            disable=not self.console.is_terminal,
        )

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    @contextmanager
    def step(self, text: str, total: float | None = None, unit: str = "MB") -> Iterator[Step]:
        """Open a step; it is marked done when the block ends without an error."""
        plain = not self.console.is_terminal
        if plain:
            self.console.print(f"{text} ...")
        number = self._progress.add_task(text, total=total, measured=total is not None, unit=unit, detail="")
        task = next(task for task in self._progress.tasks if task.id == number)
        yield _RichStep(self._progress, task)
        self._progress.update(number, total=task.total or 1, completed=task.total or 1, detail="")
        if plain:
            self.console.print(f"{text}: done in {task.elapsed or 0:.0f} s")
