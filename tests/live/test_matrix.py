"""Every client with every engine: through the endpoint it sees what it sees on the engine.

The run and docs/compatibility.md say the same; `--update-cases` writes the page anew.
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
def test_a_client_sees_through_the_endpoint_what_it_sees_on_the_engine(
    matrix: Matrix, column: Column, client: Client
) -> None:
    cell = matrix.cell(column, client)
    assert cell.through == cell.direct
    assert cell.reranked or not passed(cell.best)


PRESENTED = [(column, client) for column, client in CELLS if client.presented]


@pytest.mark.parametrize(("column", "client"), PRESENTED, ids=[f"{one.engine}-{two.name}" for one, two in PRESENTED])
def test_an_engine_that_is_presented_as_another_does_no_less(matrix: Matrix, column: Column, client: Client) -> None:
    cell = matrix.cell(column, client)
    if cell.presented is not None:
        assert common(cell.direct).items() <= common(cell.presented).items()


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_a_client_sees_the_same_on_every_engine(matrix: Matrix, client: Client) -> None:
    seen: dict[str, Any] = {}
    for (column, one), cell in matrix.cells().items():
        if one == client:
            for step, saw in common(cell.best).items():
                assert seen.setdefault(step, saw) == saw, f"{step} on {column.engine}"
    assert seen


def test_the_page_is_what_was_found(matrix: Matrix, update: bool) -> None:
    found = compatibility.page(matrix)
    if update:
        compatibility.PAGE.write_text(found, encoding="utf-8")
    said = compatibility.PAGE.read_text(encoding="utf-8")
    if matrix.whole:  # the page is of the small distributions; a vendor's whole one can do more
        assert all(map(ge, compatibility.counts(found), compatibility.counts(said)))
    else:
        assert said == found, "run it with --update-cases"
