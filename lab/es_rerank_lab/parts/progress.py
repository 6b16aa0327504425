"""Shows the progress of long steps: bars on a terminal, lines otherwise, or no output."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn, TimeElapsedColumn
from rich.text import Text

_MEGABYTE = 1e6


class Step(Protocol):
    """A step in progress."""

    def advance(self, amount: float) -> None:
        """Add *amount* to the completed amount: bytes if the step's unit is MB, otherwise a number in that unit."""

    def say(self, detail: str) -> None:
        """Show *detail*, a short text about the current activity."""


class Reporter(Protocol):
    """Shows the progress of steps; implemented by `QUIET` and `RichReporter`."""

    def step(self, text: str, total: float | None = None, unit: str = "MB") -> AbstractContextManager[Step]:
        """Begin a step. *total* is in bytes if *unit* is MB, otherwise in *unit*; if None, only the time is shown."""


class _QuietStep:
    """A step without output."""

    def advance(self, amount: float) -> None:
        pass

    def say(self, detail: str) -> None:
        pass


class _Quiet:
    """A reporter without output."""

    @contextmanager
    def step(self, text: str, total: float | None = None, unit: str = "MB") -> Iterator[Step]:  # noqa: ARG002
        yield _QuietStep()


QUIET: Reporter = _Quiet()


class _Amount(ProgressColumn):
    """A column with the completed and total amount, or the step's detail if there is no total."""

    def render(self, task: Task) -> Text:
        if task.total is None or not task.fields.get("measured"):
            return Text(str(task.fields.get("detail", "")), style="dim")
        unit = task.fields["unit"]
        scale = _MEGABYTE if unit == "MB" else 1
        return Text(f"{task.completed / scale:.0f}/{task.total / scale:.0f} {unit}", style="progress.download")


class _RichStep:
    """A step of `RichReporter`."""

    def __init__(self, progress: Progress, task: Task) -> None:
        self._progress, self._task = progress, task

    def advance(self, amount: float) -> None:
        self._progress.advance(self._task.id, amount)

    def say(self, detail: str) -> None:
        self._progress.update(self._task.id, detail=detail)


class RichReporter:
    """Shows each step as a bar, or as a spinner if the total is unknown. Use it as a context manager around the steps.

    If the output is not a terminal, a line is printed at the start and the end of each step.
    """

    def __init__(self, console: Console | None = None) -> None:
        """Prepare to show progress on *console*, by default on standard error."""
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
        """Begin a step, which is shown as completed when the block ends without an error."""
        plain = not self.console.is_terminal
        if plain:
            self.console.print(f"{text} ...")
        number = self._progress.add_task(text, total=total, measured=total is not None, unit=unit, detail="")
        task = next(task for task in self._progress.tasks if task.id == number)
        yield _RichStep(self._progress, task)
        self._progress.update(number, total=task.total or 1, completed=task.total or 1, detail="")
        if plain:
            self.console.print(f"{text}: done in {task.elapsed or 0:.0f} s")
