from __future__ import annotations

import json

from es_rerank.errors import error_body


def test_errors_have_the_format_of_the_engines() -> None:
    assert json.loads(error_body(502, "some_exception", 'no "engine"')) == {
        "error": {
            "root_cause": [{"type": "some_exception", "reason": 'no "engine"'}],
            "type": "some_exception",
            "reason": 'no "engine"',
        },
        "status": 502,
    }
