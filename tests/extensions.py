"""What a contributor changes to add something: the table in CONTRIBUTING.md, checked by tests/test_extensions.py.

Each row has an example that exists. The test searches es_rerank/ for the files that name the example: they must be
exactly the files of the row, so that the table stays complete and no addition touches more files than it says.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Place:
    """A file or folder that names the example, and the change in it. `optional`: only some additions need it."""

    path: str
    change: str
    optional: bool = False


@dataclass(frozen=True)
class Extension:
    """A row of the table.

    Attributes:
        what: What is added.
        example: One that exists.
        names: The identifiers and strings in the code that stand for the example; () where other code uses it too.
        files: The files in es_rerank/ to change.
        tests: The files outside of es_rerank/ to change.
        max_files: The promised number of files in es_rerank/.
        homonyms: Files that use a name of the example for something else, and for what.
    """

    what: str
    example: str
    names: frozenset[str]
    files: tuple[Place, ...]
    tests: tuple[Place, ...] = ()
    max_files: int = 2
    homonyms: tuple[Place, ...] = ()


def _existing(*paths: str) -> str:
    """Return the first path that exists."""
    return next(path for path in paths if (ROOT / path).exists())


EXTENSIONS = (
    Extension(
        what="a query clause",
        example="terms_set",
        names=frozenset({"terms_set"}),
        files=(
            Place(
                "es_rerank/search/query_text/clauses.py",
                "a row in `CLAUSES`, usually with a helper (`field_value`, `own_value`, `inside`, `no_text`)",
            ),
        ),
        tests=(
            Place("tests/cases/query.yaml", "a query and its text"),
            Place("tests/live/clauses.py", "a query, and the engines that run it"),
        ),
        max_files=1,
    ),
    Extension(
        what="a rerank server (backend)",
        example="tei",
        names=frozenset({"tei"}),
        files=(
            Place("es_rerank/rerank/backends/tei.py", "`encode` and `decode`"),
            Place("es_rerank/rerank/backends/__init__.py", "a row in `BACKENDS`"),
        ),
        tests=(Place("tests/cases/backends/tei", "a recorded request and response"),),
    ),
    Extension(
        what="a model family (profile)",
        example="minilm",
        names=frozenset({"minilm"}),
        files=(
            Place("es_rerank/rerank/profiles/__init__.py", "a row in `PROFILES`; a prompt template goes next to it"),
        ),
        max_files=1,
    ),
    Extension(
        what="a score policy",
        example="rrf",
        names=frozenset({"rrf", "_rrf"}),
        files=(
            Place("es_rerank/search/scoring.py", "a function and a row in `POLICIES`"),
            Place("es_rerank/config/types.py", "the check of its parameter, if it takes one", optional=True),
        ),
        tests=(Place("tests/docs.py", "its formula in `_SCORES`, for the reference"),),
        homonyms=(Place("es_rerank/search/query_text/retrievers.py", "the retriever"),),
    ),
    Extension(
        what="an endpoint",
        example="_rank_eval",
        names=frozenset({"_rank_eval", "rank_eval", "RANK_EVAL"}),
        files=(
            Place("es_rerank/search/formats/endpoints.py", "a member of `Endpoint` and a row in `ENDPOINTS`"),
            Place("es_rerank/search/formats/rank_eval.py", "the format, if it is a new one", optional=True),
            Place("es_rerank/search/engine_request/by_endpoint.py", "a row in `ENGINE_REQUESTS`"),
            Place("es_rerank/server/handlers/__init__.py", "a row in `HANDLERS`"),
            Place("es_rerank/server/handlers/rank_eval.py", "its handler, if no other one fits", optional=True),
            Place("es_rerank/search/formats/parse.py", "a row in `PARSERS`, if it carries searches", optional=True),
        ),
        tests=(
            Place("tests/docs.py", "its row in `_ENDPOINTS`, for the reference"),
            Place("tests/server/handlers/test_rank_eval.py", "requests through its handler"),
        ),
        max_files=6,
    ),
    Extension(
        what="an engine version to emulate",
        example="elasticsearch-9",
        names=frozenset({"elasticsearch-9"}),
        files=(Place("es_rerank/compat/dialects.py", "a row in `DIALECTS`"),),
        max_files=1,
    ),
    Extension(
        what="a response to emulate",
        example="nodes",
        names=frozenset(),
        files=(
            Place("es_rerank/compat/endpoints.py", "a row with its path"),
            Place("es_rerank/compat/responses.py", "a function that rewrites it"),
            Place("es_rerank/server/handlers/compat.py", "its handler"),
            Place("es_rerank/server/handlers/__init__.py", "a row in `COMPAT_HANDLERS`"),
        ),
        max_files=4,
    ),
    Extension(
        what="a request check",
        example="_expectation",
        names=frozenset({"_expectation"}),
        files=(Place("es_rerank/server/listen/request_checks.py", "a function in `REQUEST_CHECKS`"),),
        max_files=1,
    ),
    Extension(
        what="a setting",
        example="sniff",
        names=frozenset(),
        files=(Place("es_rerank/config/settings.py", "a field of `Settings`; flag, variable and key follow from it"),),
    ),
    Extension(
        what="a reason",
        example="search_after",
        names=frozenset(),
        files=(
            Place(_existing("es_rerank/model/why.py", "es_rerank/model.py"), "a member of `Why`"),
            Place("es_rerank/reasons.py", "a row in `REASONS`: meaning and remedy"),
        ),
    ),
    Extension(
        what="a client of the compatibility table",
        example="opensearch-py-3",
        names=frozenset({"opensearch-py-3"}),
        files=(),
        tests=(
            Place("tests/live/clients/__init__.py", "a row in `CLIENTS`, with its program next to it"),
            Place(
                "requirements/clients/opensearch-py-3.txt",
                "its pins: `make lock`, then `.venv/bin/pytest tests/live/test_matrix.py --update-cases`",
            ),
        ),
        max_files=0,
    ),
    Extension(
        what="a fault of the rerank server",
        example="truncated JSON",
        names=frozenset({"truncated JSON"}),
        files=(),
        tests=(
            Place(
                "tests/live/faulty.py",
                "a row in `FAULTS`, then `.venv/bin/pytest tests/live/test_faults.py --update-cases`",
            ),
        ),
        max_files=0,
    ),
    Extension(
        what="a fuzz target",
        example="passages",
        names=frozenset(),
        files=(),
        tests=(
            Place("tests/fuzz/targets.py", "a row in `TARGETS`, and its function in a module next to it"),
            Place("tests/fuzz/seeds.py", "its seeds"),
        ),
        max_files=0,
    ),
)
