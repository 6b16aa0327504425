"""Compares estimated token counts with those of a tokenizer: `python -m tests.bench.tokens PROFILE TOKENIZER FILE...`.

TOKENIZER is a `tokenizer.json`. A FILE is text, or has one JSON object per line whose `title` and `text` are read.
Texts are split into pieces of 1,000 characters. For each file it prints the quantiles of real count / estimate, and how
many pieces have more tokens than the bound.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import quantiles

import msgspec
from tokenizers import Tokenizer

from es_rerank.rerank.profiles import PROFILES

PIECE, LEAST = 1000, 600


def pieces(file: Path) -> Iterator[str]:
    """Yield the pieces of a file that are not much shorter than the others."""
    content = file.read_text(encoding="utf-8")
    texts = [content]
    if file.suffix == ".jsonl":
        rows = [msgspec.json.decode(line) for line in content.splitlines()]
        texts = [f"{row.get('title', '')}\n{row.get('text', '')}" for row in rows]
    for text in texts:
        yield from (part for at in range(0, len(text), PIECE) if len(part := text[at : at + PIECE]) >= LEAST)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.tokens", description=__doc__.partition(":")[0])
    parser.add_argument("profile", choices=PROFILES)
    parser.add_argument("tokenizer")
    parser.add_argument("files", nargs="+", type=Path)
    options = parser.parse_args()
    tokenizer = Tokenizer.from_file(options.tokenizer)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    sys.stdout.write("pieces     1 %  median    99 %  maximum  over the bound  file\n")
    for file in options.files:
        texts = list(pieces(file))
        counts = [len(one) for one in tokenizer.encode_batch_fast(texts, add_special_tokens=False)]
        measured = list(map(PROFILES[options.profile].rates.measure, texts))
        ratios = [count / one.estimate for count, one in zip(counts, measured, strict=True)]
        over = sum(count > one.most for count, one in zip(counts, measured, strict=True))
        low, *_, high = hundredths = quantiles(ratios, n=100)
        sys.stdout.write(
            f"{len(texts):6} {low:7.2f} {hundredths[49]:7.2f} {high:7.2f} {max(ratios):8.2f} {over:15}  {file}\n"
        )


if __name__ == "__main__":
    main()
