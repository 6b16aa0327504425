from __future__ import annotations

import pytest

from es_rerank.jsonspan import members, splice
from es_rerank.jsonspan.removal import remove_members


@pytest.mark.parametrize(
    ("text", "names", "left"),
    [
        (b'{"a":1,"b":2,"c":3}', {"a"}, b'{"b":2,"c":3}'),
        (b'{"a":1,"b":2,"c":3}', {"b"}, b'{"a":1,"c":3}'),
        (b'{"a":1,"b":2,"c":3}', {"c", "x"}, b'{"a":1,"b":2}'),
        (b'{"a":1,"b":2,"c":3}', {"a", "b"}, b'{"c":3}'),
        (b'{"a":1,"b":2,"c":3}', {"b", "c"}, b'{"a":1}'),
        (b'{"a":1,"b":2,"c":3}', {"a", "c"}, b'{"b":2}'),
        (b'{"a":1,"b":2,"c":3}', {"a", "b", "c"}, b"{}"),
        (b'{ "a" : 1 , "b" : 2 , "c" : 3 }', {"b"}, b'{ "a" : 1 , "c" : 3 }'),
        (b'{"a":1}', {"x"}, b'{"a":1}'),
    ],
)
def test_members_are_removed_with_their_commas(text: bytes, names: set[str], left: bytes) -> None:
    assert splice(text, remove_members(members(text), names)) == left
