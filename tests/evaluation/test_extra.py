from __future__ import annotations

import sys

import ir_measures
import pytest

from es_rerank.errors import EsRerankError
from es_rerank.evaluation.extra import check_installed, library


def test_a_package_is_imported() -> None:
    check_installed()
    assert library("ir_measures") is ir_measures


@pytest.mark.parametrize("name", ["ir_measures", "numpy"])
def test_a_package_that_is_not_installed_is_an_error(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(EsRerankError, match=rf"eval needs {name}: pip install 'es-rerank\[eval\]'"):
        check_installed()
