from __future__ import annotations

import pytest

from es_rerank.search.fields.reading import places
from es_rerank.search.fields.verdicts import verdicts

PROSE = [
    "A garden hose carries water to the plants in a garden.",
    "A washer seals the tap so that it stops dripping.",
    "Rain is collected in a barrel behind the house.",
    "The pump moves water uphill to the upper terrace.",
    "A sprinkler spreads water in small drops over the lawn.",
]
COLUMNS = {
    "title": ["Garden hose", "Tap washer", "Rain barrel", "Water pump", "Sprinkler"],
    "note": PROSE,
    "body": [f"{text} More about it in the handbook." for text in reversed(PROSE)],
    "maker": ["Hose and Sons of Hamburg"] * 5,
    "sku": ["A-17", "B-22", "C-09", "D-31", "E-45"],
    "remark": [""] * 5,
}


def test_every_candidate_has_a_verdict_and_what_is_read_comes_first_in_its_order() -> None:
    found = verdicts(COLUMNS, {"note"}, "hose")
    read = [one.field for one in found if one.read]
    assert read == [name for place in places(COLUMNS, {"note"}, "hose") for name in place]
    assert sorted(one.field for one in found) == sorted(COLUMNS)
    assert {one.field: one.why for one in found} == {
        "title": "a headline, by its name",
        "note": "the query searches or highlights it by name",
        "body": "a body, by its name",
        "maker": "the documents share few values: an enumeration or boilerplate",
        "sku": "its values are identifiers, codes or single words rather than text",
        "remark": "no document of the window has a value",
    }
    assert [one.read for one in found] == [True] * 3 + [False] * 3


@pytest.mark.parametrize(
    ("columns", "field", "why"),
    [
        (
            {
                "title_en": ["A garden hose"] * 2,
                "title_de": ["Ein Gartenschlauch"] * 2,
                "sku": ["1", "2"],
                "x": ["3"] * 2,
            },
            "title_de",
            "read where title_en has no value: the same text in another language",
        ),
        (
            {
                "a": PROSE,
                "b": COLUMNS["body"],
                "all": [f"{a} {b}" for a, b in zip(PROSE, COLUMNS["body"], strict=True)],
            },
            "all",
            "its values repeat those of other fields",
        ),
        ({f"text{n}": [f"{n} {one}" for one in PROSE] for n in range(9)}, "text8", "at most 8 texts are read"),
    ],
)
def test_a_field_that_gives_way_to_others(columns: dict[str, list[str]], field: str, why: str) -> None:
    assert {one.field: one.why for one in verdicts(columns, (), "garden hose")}[field] == why
