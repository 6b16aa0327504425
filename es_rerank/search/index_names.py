"""Finds all names of an index: its own name, and the names of the index or data stream that it was made from."""

from __future__ import annotations

import re
from functools import lru_cache

# The prefixes with which the engines name an index that lifecycle management, a restore, an upgrade or downsampling
# has made from another one.
_DERIVED = re.compile(
    r"^(?:partial-|restored-|shrink-[\w-]{4}-|downsample-(?:\w{4}-)?\d+[smhd]-|\.?reindexed-v\d+-|\.migrated-(?=ds-))"
)
# Backing indices: `.ds-NAME-DATE-GENERATION` in Elasticsearch, `.ds-NAME-GENERATION` in OpenSearch. The engine removes
# the dot where it puts its prefix in front of the name.
_BACKING = re.compile(r"^\.ds-(.+?)(?:-\d{4}\.\d{2}\.\d{2})?-\d{6}$")
_DERIVED_BACKING = re.compile(_BACKING.pattern.replace(r"^\.", r"^\.?"))


# Cached, because searches need the names of the same indices again, and a data stream may have hundreds of indices.
@lru_cache(maxsize=4096)
def names_of(name: str) -> tuple[str, ...]:
    """Return all names of an index.

    Args:
        name: Name of a concrete index, possibly after the name of a remote cluster and a colon.

    Returns:
        The name itself, then the name of each index that it was made from and, last, the name of its data stream.

    """
    cluster, colon, rest = name.rpartition(":")
    known = [rest]
    while found := _DERIVED.match(known[-1]):
        known.append(known[-1][found.end() :])
    pattern = _DERIVED_BACKING if len(known) > 1 else _BACKING
    if backing := pattern.match(known[-1]):
        known.append(backing[1])
    return tuple(f"{cluster}{colon}{one}" for one in known)
