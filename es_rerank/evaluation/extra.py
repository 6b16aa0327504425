"""The optional dependencies of the evaluation."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from es_rerank.errors import EsRerankError

_PACKAGES = ("ir_measures", "numpy")


def library(name: str) -> Any:
    """Import an optional package when it is used, since it is slow to import.

    Raises:
        EsRerankError: If it is not installed.

    """
    try:
        return import_module(name)
    except ImportError as error:
        raise EsRerankError(f"es-rerank eval needs {name}: pip install 'es-rerank[eval]'") from error


def check_installed() -> None:
    """Raise EsRerankError if an optional package is not installed."""
    for name in _PACKAGES:
        library(name)
