"""Every client with every engine: it gets the same through the endpoint as from the engine.

The results are those of docs/compatibility.md; `--update-cases` rewrites the page.
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import ge
from typing import Any

import pytest

from . import compatibility
from .clients import CLIENTS, Client
from .clients.run import passed
from .columns import COLUMNS, Column, Stands
from .matrix import Matrix, common

CELLS = [(column, client) for column in COLUMNS for client in CLIENTS]
NAMES = [f"{column.engine}-{client.name}" for column, client in CELLS]


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Matrix]:
    folder = tmp_path_factory.mktemp("matrix")
    stands = Stands(folder)
    yield Matrix(stands, folder)
    stands.stop()


@pytest.mark.parametrize(("column", "client"), CELLS, ids=NAMES)
def test_a_client_gets_the_same_through_the_endpoint_as_from_the_engine(
    matrix: Matrix, column: Column, client: Client
) -> None:
    cell = matrix.cell(column, client)
    assert cell.through == cell.direct
    assert cell.reranked or not passed(cell.best)


PRESENTED = [(column, client) for column, client in CELLS if client.presented]


@pytest.mark.parametrize(("column", "client"), PRESENTED, ids=[f"{one.engine}-{two.name}" for one, two in PRESENTED])
def test_an_emulated_engine_supports_at_least_as_many_steps(matrix: Matrix, column: Column, client: Client) -> None:
    cell = matrix.cell(column, client)
    if cell.presented is not None:
        assert common(cell.direct).items() <= common(cell.presented).items()


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_a_client_gets_the_same_from_every_engine(matrix: Matrix, client: Client) -> None:
    seen: dict[str, Any] = {}
    for (column, one), cell in matrix.cells().items():
        if one == client:
            for step, saw in common(cell.best).items():
                assert seen.setdefault(step, saw) == saw, f"{step} on {column.engine}"
    assert seen


def test_the_page_has_the_results_of_the_run(matrix: Matrix, update: bool) -> None:
    found = compatibility.page(matrix)
    if update:
        compatibility.PAGE.write_text(found, encoding="utf-8")
    written = compatibility.PAGE.read_text(encoding="utf-8")
    if matrix.whole:  # the page is of the minimal distributions; full ones support more
        assert all(map(ge, compatibility.counts(found), compatibility.counts(written)))
    else:
        assert written == found, "run it with --update-cases"
