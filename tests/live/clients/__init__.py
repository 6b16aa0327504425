"""The clients of the matrix: each a small program that prints the results of its steps, and the packages it needs.

`python/` and `js/` hold the programs; requirements/clients/ and js/package-lock.json pin their packages with hashes.
Another client needs a program and a row here; `lock.py` resolves the packages again.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
LOCKS = HERE.parents[2] / "requirements" / "clients"
NODE_LOCK = HERE / "js" / "package-lock.json"


@dataclass(frozen=True)
class Client:
    """A row of the matrix.

    `package` is the package that names the row: a Python package with the requirement `wants`, otherwise a package of
    js/package.json. `presented` is the engine that an endpoint must emulate if the client rejects the real one.
    """

    name: str
    program: str
    package: str
    wants: str = ""
    presented: str = ""

    @property
    def in_python(self) -> bool:
        return bool(self.wants)

    @property
    def lock(self) -> Path:
        """The file that pins its packages."""
        return LOCKS / f"{self.name}.txt" if self.in_python else NODE_LOCK

    @property
    def version(self) -> str:
        text = self.lock.read_text(encoding="utf-8")
        if not self.in_python:
            return str(json.loads(text)["packages"][f"node_modules/{self.package}"]["version"])
        found = re.search(rf"^{re.escape(self.package)}==(\S+)", text, re.MULTILINE)
        assert found, f"{self.lock} does not name {self.package}"
        return found[1]


AS_8 = "elasticsearch-8"
AS_9 = "elasticsearch-9"
CLIENTS = (
    Client("elasticsearch-py-7", "elasticsearch_py_7", "elasticsearch", "elasticsearch>=7,<8", AS_8),
    Client("elasticsearch-py-8", "elasticsearch_py", "elasticsearch", "elasticsearch>=8,<9", AS_8),
    Client("elasticsearch-py-9", "elasticsearch_py", "elasticsearch", "elasticsearch>=9,<10", AS_9),
    Client("elasticsearch-js-8", "elasticsearch", "elasticsearch-8", presented=AS_8),
    Client("elasticsearch-js-9", "elasticsearch", "elasticsearch-9", presented=AS_9),
    Client("opensearch-py-3", "opensearch_py", "opensearch-py", "opensearch-py>=3,<4"),
    Client("opensearch-js-3", "opensearch", "opensearch"),
    Client("searchkit", "searchkit", "searchkit"),
    Client("langchain-elasticsearch", "langchain_bm25", "langchain-elasticsearch", "langchain-elasticsearch>=1", AS_8),
    Client(
        "elasticsearch-haystack", "haystack_elasticsearch", "elasticsearch-haystack", "elasticsearch-haystack>=7", AS_8
    ),
    Client("opensearch-haystack", "haystack_opensearch", "opensearch-haystack", "opensearch-haystack>=9"),
)
