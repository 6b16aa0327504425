from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.mutants.results import (
    EQUIVALENT,
    Equivalent,
    Result,
    Store,
    changed_lines,
    counts,
    digest_of_tests,
    equivalents,
    survivors,
    table,
)
from tests.mutants.scope import END_TO_END, mirror, modules
from tests.mutants.workers import BrokenTestsError, Status, Worker

ROOT = Path(__file__).parent.parent.parent


def result(path: str = "es_rerank/search/plan.py", status: str = Status.KILLED, **more: str) -> Result:
    values = {"key": "k", "tests": "t", "old": "a < b", "new": "a <= b", **more}
    return Result(path=path, line=7, status=status, seconds=0.1, **values)


def test_each_mutated_module_has_tests_that_mirror_it() -> None:
    found = modules(ROOT)
    assert len(found) > 40
    assert [path for path in found for tests in mirror(ROOT, path) if not (ROOT / tests).exists()] == []
    assert [tests for tests in END_TO_END if not (ROOT / tests.partition("::")[0]).exists()] == []


def test_modules_that_do_io_are_not_mutated() -> None:
    found = modules(ROOT)
    assert "es_rerank/rerank_client/server_health.py" in found
    assert "es_rerank/rerank_client/transport.py" not in found
    assert "es_rerank/config/settings.py" not in found


@pytest.mark.parametrize(
    ("path", "tests"),
    [
        ("es_rerank/search/plan.py", "tests/search/test_plan.py"),
        ("es_rerank/rerank/backends/tei.py", "tests/rerank/test_backends.py"),
        ("es_rerank/search/query_text/terms.py", "tests/search/query_text"),
        ("es_rerank/pipeline.py", "tests/test_pipeline.py"),
    ],
)
def test_the_mirror_is_the_file_of_the_module_or_of_its_package_or_the_folder(path: str, tests: str) -> None:
    assert mirror(ROOT, path) == (tests,)


def test_the_table_counts_neither_equivalent_nor_invalid_mutants() -> None:
    known = [Equivalent("es_rerank/pipeline.py", "a < b", "a <= b", "never equal")]
    rows = [
        result(),
        result(status=Status.SURVIVED, new="a > b"),
        result("es_rerank/pipeline.py", Status.SURVIVED),
        result("es_rerank/pipeline.py", Status.INVALID, new="a >"),
    ]
    lines, percent = table(rows, known)
    assert [line.split() for line in lines[1:]] == [
        ["search", "1", "/", "2", "50.0", "%"],
        ["all", "1", "/", "2", "50.0", "%"],
    ]
    assert percent == 50.0
    assert counts(rows, known) == {"equivalent": 1, "invalid": 1}
    assert list(survivors(rows, known)) == ["es_rerank/search/plan.py:7", "  - a < b", "  + a > b"]


def test_a_survivor_is_tried_again_when_the_tests_have_changed(tmp_path: Path) -> None:
    file = tmp_path / "kept" / "results.jsonl"
    store = Store(file, "t")
    store.add(result(key="killed"))
    store.add(result(key="survived", status=Status.SURVIVED))
    assert Store(file, "t").get("survived") == result(key="survived", status=Status.SURVIVED)
    later = Store(file, "other tests")
    assert later.get("survived") is None
    assert later.get("killed") == result(key="killed")


def test_the_digest_of_the_tests_changes_with_every_test_but_those_of_mutants(tmp_path: Path) -> None:
    root = tmp_path / "mutants"
    for folder in ("tests/search", "tests/mutants"):
        (root / folder).mkdir(parents=True)
    before = digest_of_tests(root)
    (root / "tests" / "mutants" / "test_mutants.py").write_text("1")
    assert digest_of_tests(root) == before
    (root / "tests" / "search" / "test_plan.py").write_text("1")
    assert digest_of_tests(root) != before


def test_the_changed_lines_are_shown_without_indentation() -> None:
    assert changed_lines("a\n    b = 1\nc\n", "a\n    b = 2\nc\n") == (2, "b = 1", "b = 2")


def test_known_equivalents_are_still_in_the_code_and_have_a_reason() -> None:
    assert EQUIVALENT.exists()
    for one in equivalents():
        lines = [line.strip() for line in (ROOT / one.path).read_text(encoding="utf-8").splitlines()]
        assert all(line in lines for line in one.old.splitlines()), f"{one.path} has no {one.old!r} any more"
        assert one.reason


class TestWorker:
    """One module, and one test that knows what it returns."""

    @pytest.fixture(autouse=True)
    def _fast_pytest(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Start pytest without plugins and with its own byte code, because its imports take most of the time."""
        monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        monkeypatch.delenv("PYTHONPYCACHEPREFIX", raising=False)

    @staticmethod
    def worker(root: Path, expected: int = 2) -> Worker:
        (root / "es_rerank.py").write_text("VALUE = 2\n")
        (root / "test_it.py").write_text(
            f"import es_rerank\ndef test_it() -> None:\n    assert es_rerank.VALUE == {expected}\n"
        )
        return Worker(root, Path(sys.executable))

    @pytest.mark.parametrize(
        ("changed", "status"),
        [
            ("VALUE = 3\n", Status.KILLED),
            ("VALUE = 1 + 1\n", Status.SURVIVED),
            ("VALUE = \n", Status.INVALID),
        ],
    )
    def test_a_mutant_is_judged_by_the_tests_and_taken_out_again(
        self, tmp_path: Path, changed: str, status: Status
    ) -> None:
        worker = self.worker(tmp_path)
        assert worker.judge("es_rerank.py", changed, [["test_it.py"]]) is status
        assert (tmp_path / "es_rerank.py").read_text() == "VALUE = 2\n"

    @pytest.mark.parametrize(("folder", "status"), [("server", Status.SURVIVED), ("search", Status.KILLED)])
    def test_a_failure_of_a_test_with_a_deadline_counts_if_it_happens_again(
        self, tmp_path: Path, folder: str, status: Status
    ) -> None:
        worker = self.worker(tmp_path)
        tests = tmp_path / "tests" / folder / "test_it.py"
        tests.parent.mkdir(parents=True)
        name = f"tests/{folder}"
        worker.limits[(name,)] = 60.0
        # It fails the first time.
        tests.write_text(
            "from pathlib import Path\ndef test_it() -> None:\n"
            "    made = Path('made')\n    existed = made.exists()\n    made.touch()\n    assert existed\n"
        )
        assert worker.judge("es_rerank.py", "VALUE = 1 + 1\n", [[name], []]) is status

    def test_a_mutant_that_never_ends_is_killed(self, tmp_path: Path) -> None:
        worker = self.worker(tmp_path)
        worker.limits[("test_it.py",)] = 1.0
        assert worker.judge("es_rerank.py", "VALUE = 2\nwhile True: pass\n", [["test_it.py"]]) is Status.KILLED

    def test_tests_that_fail_without_a_mutant_are_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(BrokenTestsError, match=r"test_it\.py fail without a mutant"):
            self.worker(tmp_path, expected=5).judge("es_rerank.py", "VALUE = 3\n", [["test_it.py"]])
