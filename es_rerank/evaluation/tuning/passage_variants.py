"""Lists the ways to build passages that are compared: different fields, templates, and modes for long documents."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from es_rerank.evaluation.tuning.values import PassageVariant
from es_rerank.model import LongDocumentMode, LongDocuments, Rule
from es_rerank.rerank.chunking import Limits, Measure
from es_rerank.rerank.profiles import Profile

BASE = "as now"
_MAX_SINGLE_FIELDS = 3
_MIN_PASSAGE_TOKENS = 32
# A document of at most this many bytes per token of the limit is one passage; see `Limits.whole_bytes`.
_BYTES_PER_TOKEN = 3


@dataclass(frozen=True, slots=True)
class Documents:
    """The fields that the model reads in the hits of all queries, and the bytes of the longest text.

    Attributes:
        fields: The fields that the model reads with the current rule, most frequent first.
        longest: Size of the longest text that the model reads of a document, in UTF-8 bytes.

    """

    fields: Sequence[str]
    longest: int


def documents(read: Iterable[tuple[Sequence[str], Iterable[str | None]]]) -> Documents:
    """Return the fields that the model reads in the hits of all queries, and the bytes of the longest text.

    Args:
        read: For each query, the fields that the model reads with the current rule, and the text of each hit.

    """
    counts: Counter[str] = Counter()
    longest = 0
    for fields, texts in read:
        counts.update(fields)
        longest = max([longest, *(len(text.encode("utf-8", "replace")) for text in texts if text)])
    return Documents([name for name, _ in counts.most_common()], longest)


def variants(
    rule: Rule, profile: Profile, seen: Documents, wanted: Sequence[Sequence[str]] = ()
) -> list[PassageVariant]:
    """Return the variants to compare. The first variant is that of the current rule.

    Each other variant has either other fields, or another mode or passage length for long documents.

    Args:
        rule: The current rule.
        profile: The profile of the model.
        seen: The fields and texts of the hits.
        wanted: Lists of fields to compare. If empty, they are derived from *seen*.

    """
    base = PassageVariant(BASE, rule.fields, rule.template, rule.long)
    others = [*_field_variants(base, seen, wanted), *_long_variants(base, profile, seen)]
    return [base, *(one for one in others if replace(one, name=BASE) != base)]


def is_whole(text: str, limits: Limits, measure: Measure) -> bool:
    """Return whether a text is certainly a single passage. Its score then does not depend on the limits of passages.

    Args:
        text: The text of a document.
        limits: The limits of passages.
        measure: Estimates the number of tokens of a text.

    """
    tokens = measure(text)
    most = limits.max_passage_tokens if limits.near_context else limits.context_tokens
    return tokens.estimate <= limits.passage_tokens and tokens.most <= most


def _field_variants(base: PassageVariant, seen: Documents, wanted: Sequence[Sequence[str]]) -> Iterator[PassageVariant]:
    """Yield variants with other fields: chosen by the hits of each search, all fields with labels, or single fields."""
    if wanted:
        yield from (replace(base, name=", ".join(names), fields=tuple(names), template=None) for names in wanted)
        return
    if base.fields:
        yield replace(base, name="fields by the hits", fields=(), template=None)
    names = tuple(seen.fields)
    if len(names) > 1:
        yield replace(base, name=f"{', '.join(names)} with labels", fields=names, template=_labelled(names))
        yield from (
            replace(base, name=f"only {name}", fields=(name,), template=None) for name in names[:_MAX_SINGLE_FIELDS]
        )


def _labelled(names: Sequence[str]) -> str:
    """Return a template with one line per field. Each line starts with the name of its field."""
    return "".join(f"{name}: {{{name}}}\n" for name in names)


def _long_variants(base: PassageVariant, profile: Profile, seen: Documents) -> Iterator[PassageVariant]:
    """Yield variants with other modes for long documents and other passage lengths, if they affect any document."""
    mode, tokens = base.long.mode or profile.long, base.long.max_passage_tokens or profile.max_passage_tokens
    room = profile.max_tokens - profile.overhead
    sizes = {tokens, max(tokens // 2, _MIN_PASSAGE_TOKENS), min(tokens * 2, room)}
    for other in LongDocumentMode:
        for size in sorted(sizes):
            if (other, size) != (mode, tokens) and seen.longest > min(size, tokens) * _BYTES_PER_TOKEN:
                long = LongDocuments(other, size, base.long.max_search_tokens)
                yield replace(base, name=f"{other}, {size} tokens", long=long)
