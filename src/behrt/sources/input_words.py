"""What the codes of inputs beyond diagnoses become, and what the MEDS codes are called.

A MEDS dataset states the MEDS code itself. Of OMOP, a drug becomes its classes of the ATC or its
ingredients, through the tables concept and concept_ancestor, and a procedure its OPCS-4 code, if
the source's concept is one. Otherwise, the concept itself is the word.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import dataframely as dy
import polars as pl

from behrt.caliber import opcs
from behrt.caliber.lists import NAME
from behrt.concept_values import LEVELS
from behrt.concepts import PREFIXES
from behrt.logs import progress
from behrt.sources.concepts import read_concepts
from behrt.sources.omop import CONCEPT_PREFIX
from behrt.sources.records import Tally, scan_records
from behrt.sources.table_files import read_columns
from behrt.sources.values import read_values

Level = Literal["chapter", "section", "substance"]

ATC_LEVELS = {"chapter": "ATC 1st", "section": "ATC 2nd"}
"""The concept class of the ATC that stands for each level of the BNF."""

INGREDIENT = "Ingredient"
_DRUG, _PROCEDURE = PREFIXES["medications"], PREFIXES["procedures"]
_OPCS4 = "OPCS4"


class InputWords(dy.Schema):
    """One row per pair of a code of the source and a MEDS code; `event` is null for none."""

    concept = dy.String(check=lambda concept: concept.is_in(list(PREFIXES)))
    code = dy.String()
    source_concept = dy.Int64(nullable=True)
    event = dy.String(nullable=True)


class InputDescriptions(dy.Schema):
    """One row per MEDS code of an input."""

    code = dy.String(primary_key=True)
    description = dy.String()


def find_codes(parts: Sequence[Path], shards: int) -> pl.DataFrame:
    """Return the distinct codes of all records: concept, code, source_concept, event; sorted.

    One shard at a time is held in memory.
    """
    columns = ["concept", "code", "source_concept", "event"]
    found = [
        scan_records(parts, shard)
        .drop_nulls("code")
        .select(columns)
        .unique()
        .collect(engine="streaming")
        for shard in progress(range(shards), label="input codes", unit="shards")
    ]
    return pl.concat(found).unique().sort(columns)


def make_omop_words(
    codes: pl.DataFrame,
    level: Level,
    characters: int,
    concepts: Sequence[Path] = (),
    ancestors: Sequence[Path] = (),
) -> tuple[dy.DataFrame[InputWords], dy.DataFrame[InputDescriptions]]:
    """Decide what the drugs and procedures of OMOP become, and describe all codes of inputs.

    Args:
        codes: of `find_codes`.
        level: `concepts.medications.level`. Chapters and sections of the BNF are not in OMOP: the
            first and the second level of the ATC take their place.
        characters: of OPCS-4 codes.
        concepts, ancestors: files of the tables concept and concept_ancestor, if delivered.

    Raises:
        InputError: a file cannot be read, or lacks a column.
    """
    number = pl.col("code").str.strip_prefix(CONCEPT_PREFIX).cast(pl.Int64, strict=False)
    numbered = codes.with_columns(number=number)
    wanted = pl.concat([numbered["number"], codes["source_concept"]]).drop_nulls().unique()
    known = read_concepts(concepts, wanted)
    drugs = numbered.filter(pl.col("concept") == "medications")
    nothing = pl.DataFrame(schema={"event": pl.String, "description": pl.String})
    if concepts and ancestors:
        classes = _read_classes(concepts, level)
        above = _read_ancestors(ancestors, drugs["number"], classes["ancestor"])
        classed = above.join(classes, on="ancestor").drop("ancestor")
        drugs = drugs.drop("event").join(
            classed, left_on="number", right_on="descendant", how="left"
        )
        names = classed.select("event", description="name")
    else:
        drugs = drugs.with_columns(event=pl.format(_DRUG + CONCEPT_PREFIX + "{}", "number"))
        names = nothing
    procedures = numbered.filter(pl.col("concept") == "procedures").join(
        known.select(source_concept="concept", vocabulary="vocabulary", source="concept_code"),
        on="source_concept",
        how="left",
    )
    four = opcs.at_level_4(pl.when(pl.col("vocabulary") == _OPCS4).then("source"))
    procedures = procedures.with_columns(
        event=pl.coalesce(
            pl.format(_PROCEDURE + _OPCS4 + "//{}", four.str.head(characters)),
            pl.format(_PROCEDURE + CONCEPT_PREFIX + "{}", "number"),
        )
    )
    columns = InputWords.column_names()
    words = pl.concat([drugs.select(columns), procedures.select(columns)]).unique()
    own = known.select(number="concept", name="name").drop_nulls()
    given = numbered.filter(~pl.col("concept").is_in(["medications", "procedures"]))
    others = (
        pl.concat(
            [
                words.with_columns(number=number).filter(
                    pl.col("event").str.contains("//" + CONCEPT_PREFIX, literal=True)
                ),
                given.select(*columns, "number").filter(
                    pl.col("event").str.contains("//" + CONCEPT_PREFIX, literal=True)
                ),
            ]
        )
        .join(own, on="number")
        .select("event", description="name")
    )
    return InputWords.validate(words.sort(columns)), describe(pl.concat([names, others]))


def describe(named: pl.DataFrame) -> dy.DataFrame[InputDescriptions]:
    """Describe MEDS codes: with the name of what they are of, and the level of a test.

    Args:
        named: event, description String; names that a table cannot show, or that are null, are left
            out. Of several names the first in order counts.
    """
    suffix = pl.col("event").str.extract(f"//({'|'.join(LEVELS)})$", 1).str.to_lowercase()
    test = pl.col("event").str.starts_with(PREFIXES["tests"])
    text = pl.when(test & suffix.is_not_null()).then(pl.format("{}: {}", "description", suffix))
    shown = named.drop_nulls().filter(pl.col("description").str.contains(NAME))
    return InputDescriptions.validate(
        shown.select(code="event", description=pl.coalesce(text, "description"))
        .sort("code", "description")
        .unique("code", keep="first", maintain_order=True)
    )


def describe_meds(codes: pl.DataFrame, metadata: pl.DataFrame) -> dy.DataFrame[InputDescriptions]:
    """Describe the MEDS codes of a MEDS dataset's inputs as the dataset describes its own.

    Args:
        codes: of `find_codes`.
        metadata: of `behrt.sources.meds.read_metadata`.
    """
    joined = codes.join(metadata.select("code", "description"), on="code").drop_nulls("event")
    own = pl.col("event") == pl.col("code")  # its description says the level already
    kept = joined.filter(own).select("code", "description").drop_nulls()
    others = describe(joined.filter(~own).select("event", "description"))
    shown = kept.filter(pl.col("description").str.contains(NAME)).unique("code", keep="first")
    both = pl.concat([shown, others.join(shown, on="code", how="anti")])
    return InputDescriptions.validate(both.sort("code"))


def _read_classes(concepts: Sequence[Path], level: Level) -> pl.DataFrame:
    """Return ancestor (the concept's id), event and name of the classes of a level."""
    wanted = ATC_LEVELS.get(level, INGREDIENT)
    columns = ("concept_id", "concept_class_id", "concept_code", "concept_name")
    found = []
    for path in concepts:
        tally = Tally(path.name)
        named = {name: (name,) for name in columns}
        for batch in read_columns(path, named, columns, tally, quotes_with_tabs=False):
            plain = batch.with_columns(pl.col(pl.String).str.strip_chars(' "'))
            found.append(
                plain.with_columns(
                    ancestor=read_values(plain["concept_id"], "number", str(path))["value"]
                )
                .filter(pl.col("concept_class_id").cast(pl.String) == wanted)
                .select("ancestor", pl.col("concept_code", "concept_name").cast(pl.String))
            )
    code, name = pl.col("concept_code"), pl.col("concept_name").str.to_lowercase()
    event = (
        pl.format(_DRUG + "SUBSTANCE//{}", name)
        if wanted == INGREDIENT
        else pl.format(_DRUG + "ATC//{}", code)
    )
    title = pl.col("concept_name") if wanted == INGREDIENT else pl.format("{} {}", code, name)
    schema = {"ancestor": pl.Int64, "event": pl.String, "name": pl.String}
    classes = pl.concat(found).select("ancestor", event=event, name=title) if found else None
    usable = pl.DataFrame(schema=schema) if classes is None else classes
    return usable.filter(pl.col("event").str.contains(NAME)).unique("ancestor", keep="first")


def _read_ancestors(
    parts: Sequence[Path], descendants: pl.Series, ancestors: pl.Series
) -> pl.DataFrame:
    """Return the pairs of ancestor and descendant among given concepts."""
    columns = ("ancestor_concept_id", "descendant_concept_id")
    found = [pl.DataFrame(schema={"ancestor": pl.Int64, "descendant": pl.Int64})]
    for path in parts:
        tally = Tally(path.name)
        named = {name: (name,) for name in columns}
        for batch in read_columns(path, named, columns, tally, quotes_with_tabs=False):
            pairs = pl.DataFrame(
                {
                    kind: read_values(batch[name], "number", str(path))["value"]
                    for kind, name in zip(("ancestor", "descendant"), columns, strict=True)
                }
            )
            found.append(
                pairs.filter(
                    pl.col("ancestor").is_in(ancestors.implode()),
                    pl.col("descendant").is_in(descendants.unique().implode()),
                )
            )
    return pl.concat(found).unique()
