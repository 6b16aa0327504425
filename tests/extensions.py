"""The files to change for each kind of addition: the table in CONTRIBUTING.md, checked by tests/test_extensions.py.

Each row has an existing example. The test searches es_rerank/ for the files that name the example. These files must be
exactly the files of the row, so that the table is complete and no addition changes more files than the row lists.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Place:
    """A file or folder that names the example, and the change in it. Only some additions need an *optional* place."""

    path: str
    change: str
    optional: bool = False


@dataclass(frozen=True)
class Extension:
    """A row of the table.

    Attributes:
        what: What is added.
        example: An existing example.
        names: Identifiers and strings that refer to the example in the code; empty if other code uses them, too.
        files: The files in es_rerank/ to change.
        tests: The files outside of es_rerank/ to change.
        max_files: Maximum number of files in es_rerank/ to change.
        homonyms: Files that use a name of the example with another meaning, and that meaning.
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
                "a row in `CLAUSES`, usually with an existing helper (`field_value`, `own_value`, `inside`, `no_text`)",
            ),
        ),
        tests=(
            Place("tests/cases/query.yaml", "a query with the clause, and the query text to extract from it"),
            Place("tests/live/clauses.py", "a query with the clause, and the engines that support it"),
        ),
        max_files=1,
    ),
    Extension(
        what="a rerank server (backend)",
        example="tei",
        names=frozenset({"tei"}),
        files=(
            Place("es_rerank/rerank/backends/tei.py", "the functions `encode` and `decode`"),
            Place("es_rerank/rerank/backends/__init__.py", "a row in `BACKENDS`"),
        ),
        tests=(Place("tests/cases/backends/tei", "a recorded request and response"),),
    ),
    Extension(
        what="a model family (profile)",
        example="minilm",
        names=frozenset({"minilm"}),
        files=(
            Place(
                "es_rerank/rerank/profiles/__init__.py",
                "a row in `PROFILES`; a prompt template goes into the same folder",
            ),
        ),
        max_files=1,
    ),
    Extension(
        what="a score policy",
        example="linear",
        names=frozenset({"linear", "_linear"}),
        files=(
            Place("es_rerank/search/scoring.py", "a function, and a row in `POLICIES`"),
            Place("es_rerank/config/types.py", "the check of the policy's parameter, if it has one", optional=True),
        ),
        tests=(Place("tests/docs.py", "a row in `_SCORES`: the formula, for the reference"),),
        homonyms=(Place("es_rerank/search/query_text/retrievers.py", "the retriever"),),
    ),
    Extension(
        what="an endpoint",
        example="_rank_eval",
        names=frozenset({"_rank_eval", "rank_eval", "RANK_EVAL"}),
        files=(
            Place("es_rerank/search/formats/endpoints.py", "a member of `Endpoint`, and a row in `ENDPOINTS`"),
            Place(
                "es_rerank/search/formats/rank_eval.py",
                "parsing and serialization, if the request format is new",
                optional=True,
            ),
            Place("es_rerank/search/engine_request/by_endpoint.py", "a row in `ENGINE_REQUESTS`"),
            Place("es_rerank/server/handlers/__init__.py", "a row in `HANDLERS`"),
            Place("es_rerank/server/handlers/rank_eval.py", "the handler, if no existing handler fits", optional=True),
            Place(
                "es_rerank/search/formats/parse.py",
                "a row in `PARSERS`, if the endpoint carries searches",
                optional=True,
            ),
        ),
        tests=(
            Place("tests/docs.py", "a row in `_ENDPOINTS`, for the reference"),
            Place("tests/server/handlers/test_rank_eval.py", "tests that send requests through the handler"),
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
            Place("es_rerank/compat/endpoints.py", "a row with the path"),
            Place("es_rerank/compat/responses.py", "a function that rewrites the response"),
            Place("es_rerank/server/handlers/compat.py", "the handler"),
            Place("es_rerank/server/handlers/__init__.py", "a row in `HANDLERS`"),
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
        files=(
            Place(
                "es_rerank/config/endpoint_settings.py",
                "a field of `EndpointSettings`, or in `settings.py` of `Settings`, from which the flag, variable and "
                "key are derived",
            ),
        ),
    ),
    Extension(
        what="a reason",
        example="search_after",
        names=frozenset(),
        files=(
            Place(_existing("es_rerank/model/why.py", "es_rerank/model.py"), "a member of `Why`"),
            Place("es_rerank/reasons.py", "a row in `REASONS`: the meaning, and what to do"),
        ),
    ),
    Extension(
        what="a client of the compatibility table",
        example="opensearch-py-3",
        names=frozenset({"opensearch-py-3"}),
        files=(),
        tests=(
            Place("tests/live/clients/__init__.py", "a row in `CLIENTS`, and a program in the same folder"),
            Place(
                "requirements/clients/opensearch-py-3.txt",
                "pinned packages: run `make lock`, then `.venv/bin/pytest tests/live/test_matrix.py --update-cases`",
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
                "a row in `FAULTS`; then run `.venv/bin/pytest tests/live/test_faults.py --update-cases`",
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
            Place("tests/fuzz/targets.py", "a row in `TARGETS`, and a function in a module of the same folder"),
            Place("tests/fuzz/seeds.py", "the inputs that fuzzing starts from"),
        ),
        max_files=0,
    ),
)
