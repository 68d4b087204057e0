"""The vocabulary of the models: five special tokens, one token per phenotype, then other words.

The other words are medications, procedures, tests and measurements (`behrt.concepts`), if the run
reads them. They are chosen by `behrt.sequences.concept_words`.
"""

import hashlib
import itertools
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import polars as pl

from behrt.concepts import PREFIXES, concept_of
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
MOST_WORDS = 2**15 - 1 - FIRST_DISEASE
"""Indices and tokens are stored as Int16."""


@dataclass(frozen=True)
class Vocabulary:
    """The fixed order of words; the token of word i is `FIRST_DISEASE + i`.

    Attributes:
        phenotypes: the names, sorted by code point; the index is the phenotype index.
        chapters: the chapter of each phenotype, in the same order.
        concept_codes: the MEDS codes of the other words, whose indices follow those of the
            phenotypes. They are sorted by concept, in the order of `behrt.concepts.PREFIXES`, then
            by code point.
        concept_names: what each of them means, in the same order.
    """

    phenotypes: tuple[str, ...]
    chapters: tuple[str, ...]
    concept_codes: tuple[str, ...] = ()
    concept_names: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Return the number of tokens, special ones included."""
        return FIRST_DISEASE + len(self.names)

    @property
    def names(self) -> tuple[str, ...]:
        """What every word means, by its index."""
        return (*self.phenotypes, *self.concept_names)

    @property
    def concepts(self) -> dict[str, int]:
        """The number of words of each concept that has one, in their order."""
        of_words = [concept_of(code) for code in self.concept_codes]
        return {concept: of_words.count(concept) for concept in PREFIXES if concept in of_words}

    @property
    def version(self) -> str:
        """Return the first 16 hexadecimal digits of the SHA-256 of the words in order."""
        words = json.dumps([*SPECIAL, *self.phenotypes, *self.concept_codes], ensure_ascii=False)
        return hashlib.sha256(words.encode("utf-8")).hexdigest()[:16]

    def of_diseases(self) -> "Vocabulary":
        """Return the vocabulary without the words of other concepts."""
        return Vocabulary(self.phenotypes, self.chapters)


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
    if len(rows) > MOST_WORDS:
        raise InputError(
            where,
            f"{len(rows)} words, more than the {MOST_WORDS} that a vocabulary may have",
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
    """Write the vocabulary as JSON, with its version and the special words.

    The entries of other concepts are left out where there are none.
    """
    words = {name: entries for name, entries in asdict(vocabulary).items() if entries}
    write_json({"version": vocabulary.version, "special": list(SPECIAL), **words}, path)


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
    others = (tuple(value.get(name, ())) for name in ("concept_codes", "concept_names"))
    vocabulary = Vocabulary(tuple(value["phenotypes"]), tuple(value["chapters"]), *others)
    if value["version"] != vocabulary.version:
        raise InputError(path, "the words do not match their version; it was edited by hand", fix)
    return vocabulary
