from __future__ import annotations

import pytest

from es_rerank.evaluation.tuning.report import report
from es_rerank.evaluation.tuning.summary import TuneSummary

from .builders import pool, pools, summary

MODEL = (0.1, 0.9, 0.2, 0.3)
EVIL = "<script>alert(1)</script> $title"


@pytest.fixture(params=["better", "nothing"])
def found(request: pytest.FixtureRequest) -> TuneSummary:
    better = [*pools(9, 1, MODEL), pool(EVIL, 0, MODEL)]
    return summary(better if request.param == "better" else pools(6, 0, (0.2, 0.9, 0.3, 0.4)))[0]


def test_the_page_stands_alone_and_escapes_texts(found: TuneSummary) -> None:
    page = report(found, "# rule <b>\nindex: docs\n")
    assert "<script" not in page
    assert "http" not in page.replace("http://www.w3.org", "")
    assert "# rule &lt;b&gt;\nindex: docs" in page
    assert page.count("<svg") == 3
    assert "$" not in page.replace(" $title", "")
