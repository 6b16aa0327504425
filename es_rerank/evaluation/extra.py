"""The optional dependencies of `es-rerank eval` and `es-rerank bench`."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from es_rerank.errors import EsRerankError

_PACKAGES = ("ir_measures", "numpy")


def library(name: str, command: str = "eval") -> Any:
    """Return a module of an optional package. It is imported only when it is needed, because the import is slow.

    Args:
        name: Name of the module.
        command: The subcommand that needs the module, which is also the name of the extra.

    Raises:
        EsRerankError: If the package is not installed.

    """
    try:
        return import_module(name)
    except ImportError as error:
        raise EsRerankError(f"es-rerank {command} needs {name}: pip install 'es-rerank[{command}]'") from error


def check_installed() -> None:
    """Raise EsRerankError if an optional package that `es-rerank eval` needs is not installed."""
    for name in _PACKAGES:
        library(name)
