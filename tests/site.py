"""Hooks of mkdocs for the website of the documentation: see mkdocs.yml.

The pages of the folder `docs` link to files outside of it, as readers of the repository need them. On the website, some
of these files are pages, too, and links to the others are text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent
# The files outside of `docs` that are pages of the website, with their names there.
_PAGES: Mapping[str, str] = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "README.md": "index.md",
}
# A link to a file: its text, the path, and the heading with `#`.
_LINK = re.compile(r"\[([^\]]*)\]\((?!https?:|#|mailto:)([^)#\s]+)(#[^)]*)?\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages outside of `docs`."""
    for name, page in _PAGES.items():
        if page != "index.md":
            files.append(File.generated(config, page, content=(ROOT / name).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Return a page whose links lead to pages of the website."""
    folder = ROOT if page.file.src_uri in _PAGES.values() and page.file.src_uri != "index.md" else ROOT / "docs"
    return _LINK.sub(lambda found: _link(found, folder), markdown)


def _link(found: re.Match[str], folder: Path) -> str:
    """Return a link from a page in *folder* as it is on the website; only its text if its target is not there."""
    text, path, heading = found[1], found[2], found[3] or ""
    target = (folder / path).resolve().relative_to(ROOT)
    if target.parts[0] == "docs":
        return f"[{text}]({target.relative_to('docs').as_posix()}{heading})"
    page = _PAGES.get(target.as_posix())
    return f"[{text}]({page}{heading})" if page else text
