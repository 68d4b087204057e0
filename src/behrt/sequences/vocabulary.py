"""The vocabulary of the models: five special tokens, then one token per phenotype."""

import hashlib
import itertools
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import polars as pl

from behrt.errors import InputError
from behrt.files import read_json, write_json

SPECIAL = ("PAD", "CLS", "SEP", "MASK", "UNK")
PAD, CLS, SEP, MASK, UNK = range(len(SPECIAL))
FIRST_DISEASE = len(SPECIAL)

WORD_PREFIXES = ("CALIBER//", "CODE//")
"""Prefixes of codes that are words; the name of a phenotype or a source's own code follows."""
CHAPTER_PREFIX = "CHAPTER//"
NO_CHAPTER = "No chapter"

_PREFIX = f"^(?:{'|'.join(WORD_PREFIXES)})"
_MOST_WORDS = 2**15 - 1 - FIRST_DISEASE
"""Indices and tokens are stored as Int16."""


@dataclass(frozen=True)
class Vocabulary:
    """The fixed order of words; the token of phenotype i is `FIRST_DISEASE + i`.

    Attributes:
        phenotypes: the names, sorted by code point; the index is the phenotype index.
        chapters: the chapter of each phenotype, in the same order.
    """

    phenotypes: tuple[str, ...]
    chapters: tuple[str, ...]

    def __len__(self) -> int:
        """Return the number of tokens, special ones included."""
        return FIRST_DISEASE + len(self.phenotypes)

    @property
    def version(self) -> str:
        """Return the first 16 hexadecimal digits of the SHA-256 of the words in order."""
        words = json.dumps([*SPECIAL, *self.phenotypes], ensure_ascii=False)
        return hashlib.sha256(words.encode("utf-8")).hexdigest()[:16]


def is_word(code: pl.Expr) -> pl.Expr:
    """Return whether a MEDS code is a word of the vocabulary."""
    return code.str.contains(_PREFIX)


def word_of(code: pl.Expr) -> pl.Expr:
    """Return the name that a word's code has in the vocabulary."""
    return code.str.replace(_PREFIX, "")


def build_vocabulary(codes: pl.DataFrame, where: str | Path = "codes") -> Vocabulary:
    """Return the vocabulary of a MEDS dataset's code metadata.

    >>> codes = pl.DataFrame(
    ...     {
    ...         "code": ["CALIBER//Stroke", "CALIBER//Gout", "SEX//male"],
    ...         "parent_codes": [["CHAPTER//Circulatory"], ["CHAPTER//Musculoskeletal"], None],
    ...     }
    ... )
    >>> vocabulary = build_vocabulary(codes)
    >>> vocabulary.phenotypes, vocabulary.chapters, len(vocabulary)
    (('Gout', 'Stroke'), ('Musculoskeletal', 'Circulatory'), 7)

    Args:
        codes: `code` String and `parent_codes` List(String), in any order. Codes that are no
            words are ignored. The chapter of a word without one is `NO_CHAPTER`.
        where: named in an error.

    Raises:
        InputError: there is no word, or more than are supported; one is listed twice, or has
            several chapters.
    """
    phenotypes = codes.filter(is_word(pl.col("code"))).select(
        name=word_of(pl.col("code")),
        chapters=pl.col("parent_codes")
        .list.eval(pl.element().filter(pl.element().str.starts_with(CHAPTER_PREFIX)))
        .list.eval(pl.element().str.strip_prefix(CHAPTER_PREFIX)),
    )
    rows = phenotypes.sort("name").rows()
    if not rows:
        raise InputError(
            where,
            f"no code starts with {' or '.join(WORD_PREFIXES)}",
            "List every phenotype in the MEDS code metadata",
        )
    if len(rows) > _MOST_WORDS:
        raise InputError(
            where,
            f"{len(rows)} words, more than the {_MOST_WORDS} that a vocabulary may have",
            "Make fewer of the source's own codes words (`codes` in the configuration)",
        )
    for (name, _), (following, _) in itertools.pairwise(rows):
        if name == following:
            raise InputError(where, f"{name!r} is listed twice", "List each code once")
    for name, chapters in rows:
        if chapters and len(chapters) > 1:
            raise InputError(
                where,
                f"{name!r} has {len(chapters)} parents that start with {CHAPTER_PREFIX}",
                "Give every phenotype at most one chapter in parent_codes",
            )
    return Vocabulary(
        phenotypes=tuple(name for name, _ in rows),
        chapters=tuple(chapters[0] if chapters else NO_CHAPTER for _, chapters in rows),
    )


def read_codes(path: Path) -> Vocabulary:
    """Return the vocabulary of a MEDS dataset's `metadata/codes.parquet`."""
    return build_vocabulary(pl.read_parquet(path, columns=["code", "parent_codes"]), path)


def write_vocabulary(vocabulary: Vocabulary, path: Path) -> None:
    """Write the vocabulary as JSON, with its version and the special words."""
    write_json(
        {"version": vocabulary.version, "special": list(SPECIAL), **asdict(vocabulary)}, path
    )


def read_vocabulary(path: Path) -> Vocabulary:
    """Read a vocabulary.

    Raises:
        InputError: the special tokens are not those of this package, or the words do not match
            the version in the file.
    """
    value = read_json(path)
    fix = "Run the rule vocabulary again"
    if tuple(value["special"]) != SPECIAL:
        raise InputError(path, "the special tokens are not " + " ".join(SPECIAL), fix)
    vocabulary = Vocabulary(tuple(value["phenotypes"]), tuple(value["chapters"]))
    if value["version"] != vocabulary.version:
        raise InputError(path, "the words do not match their version; it was edited by hand", fix)
    return vocabulary
