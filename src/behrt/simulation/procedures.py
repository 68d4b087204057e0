"""Procedures in hospital, which follow diseases.

`procedures.csv` lists them. A procedure is done in an admission that exists without it: one that
records the disease, or, less often, a planned one of a person in whom the disease has begun, whose
diagnoses need not mention it. So procedures add no admissions.
"""

from dataclasses import dataclass
from pathlib import Path

import dataframely as dy
import numpy as np
import polars as pl

from behrt.simulation.days import pack
from behrt.simulation.drawn_codes import skewed
from behrt.simulation.histories import Histories
from behrt.simulation.parameter_tables import indexed, read_table
from behrt.simulation.process import Block

TABLE = Path(__file__).with_name("procedures.csv")

_RULES = 1024


class ProcedureSchema(dy.Schema):
    """One row per disease and procedure.

    Attributes:
        disease: that the procedure follows.
        opcs: category of OPCS-4, three characters.
        name: of the category, in the words of this project.
        endings: fourth characters of the codes that are used, separated by "|", the most frequent
            one first.
        recorded: probability of the procedure in an admission that records the disease.
        begun: the same in a planned admission that does not record it, once the disease has begun.
        times: how often a person can have it for this disease.
        listed: whether the project's own code list of the disease contains the codes.
    """

    disease = dy.String(primary_key=True)
    opcs = dy.String(primary_key=True, regex=r"^[A-Z][0-9]{2}$")
    name = dy.String(min_length=1)
    endings = dy.String(regex=r"^[0-9](\|[0-9])*$")
    recorded = dy.Float64(min=0, max=1)
    begun = dy.Float64(min=0, max=1)
    times = dy.Int64(min=1)
    listed = dy.Bool()


def read_procedures(path: Path = TABLE) -> dy.DataFrame[ProcedureSchema]:
    """Read the table of procedures.

    Raises:
        InputError: a value is missing or out of range, or a procedure occurs twice.
    """
    listed = pl.col("listed") == 1
    return read_table(
        ProcedureSchema, path, "procedures", lambda read: read.with_columns(listed), ("endings",)
    )


def opcs_codes(procedures: pl.DataFrame) -> pl.DataFrame:
    """Return disease, name, listed and `code` ("W371") of each code, the frequent ones first."""
    return (
        procedures.with_columns(pl.col("endings").str.split("|"))
        .explode("endings")
        .select("disease", "name", "listed", code=pl.col("opcs") + pl.col("endings"))
    )


@dataclass(frozen=True)
class Procedures:
    """The table of procedures, and their codes.

    The codes of row r of the table are `codes[start[r]:start[r] + size[r]]`.
    """

    table: pl.DataFrame
    codes: pl.Series
    start: np.ndarray
    size: np.ndarray

    @classmethod
    def of(cls, diseases: pl.DataFrame) -> "Procedures":
        """Read the table, sorted by disease; `diseases` are the world's.

        Raises:
            InputError: a procedure names an unknown disease.
        """
        table = indexed(read_procedures(), "disease", diseases["name"], TABLE, "diseases")
        table = table.sort("disease", "opcs")
        size = table["endings"].str.split("|").list.len().to_numpy().astype(np.int64)
        return cls(table, opcs_codes(table)["code"], np.cumsum(size) - size, size)


@dataclass(frozen=True)
class Operations:
    """Procedures that were done, sorted by row, day and procedure.

    Attributes:
        row: int64, the person's row.
        spell: int64, the admission's number within the person.
        day: int64, of the admission, since the day of discharge depends on later admissions.
        code: int64, index into the codes.
    """

    row: np.ndarray
    spell: np.ndarray
    day: np.ndarray
    code: np.ndarray


def make_operations(histories: Histories, procedures: Procedures, block: Block) -> Operations:
    """Return the procedures of all admissions."""
    admissions = block.admissions.sort("person", "spell")
    owner = np.searchsorted(histories.person, admissions["person"].to_numpy())
    admitted = admissions["admitted_day"].to_numpy().astype(np.int64)
    planned = ~admissions["emergency"].to_numpy()
    key = pack(owner, admitted)
    table = procedures.table
    disease = table["disease"].to_numpy()

    # Which admissions record the disease of which procedure.
    size = np.bincount(disease, minlength=len(histories.onset))
    (record,) = np.nonzero(histories.hospital & (size[histories.disease] > 0))
    copies = size[histories.disease[record]]
    of = np.repeat(record, copies)
    rule = (np.cumsum(size) - size)[histories.disease[of]] + np.arange(len(of))
    rule -= np.repeat(np.cumsum(copies) - copies, copies)
    stay = np.searchsorted(key, pack(histories.row[of], histories.day[of]))
    probability = np.zeros((len(key), len(disease)), dtype=np.float32)
    (at,) = np.nonzero(planned)
    begun = histories.onset[disease][:, owner[at]] <= admitted[at]
    probability[at] = begun.T * table["begun"].to_numpy().astype(np.float32)
    probability[stay, rule] = table["recorded"].to_numpy()[rule]

    stay, rule = np.nonzero(probability)
    row, day = owner[stay], admitted[stay]
    done = histories.uniform("operated", row, rule, day) < probability[stay, rule]
    stay, rule, row, day = stay[done], rule[done], row[done], day[done]
    # Of each person and procedure, only the first ones up to `times`.
    order = np.lexsort((day, row * _RULES + rule))
    case = (row * _RULES + rule)[order]
    begins = np.flatnonzero(np.diff(case, prepend=-1))
    before = np.arange(len(case)) - np.repeat(begins, np.diff(np.append(begins, len(case))))
    kept = np.sort(order[before < table["times"].to_numpy()[rule[order]]])
    stay, rule, row, day = stay[kept], rule[kept], row[kept], day[kept]

    part = histories.uniform("ending", row, rule, day)
    code = procedures.start[rule] + skewed(part, procedures.size[rule])
    return Operations(row, admissions["spell"].to_numpy()[stay].astype(np.int64), day, code)
