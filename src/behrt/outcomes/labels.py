"""The labels of outcomes that the configuration defines, from sequences, deaths and stays.

All days count from 1970-01-01. The index day is t, the last day of the window w: t + days, or the
same day of the month after the calendar months (`behrt.sequences.tasks.window_end`). The input is
the visits up to and including t.

* The label is true if the event is on a day from t + 1 to w, and on or before the last day of
  follow-up. An event on the day of death counts.
* Death is a competing event: a patient who dies from t + 1 to w, before another event, does not
  have it, and the label is false. For the outcome death, it is the event.
* If follow-up ends before w without the event and without death, nothing is known, and there is no
  label: the prediction is left out and counted, or is represented by others (`short_follow_up`).

The tasks of the paper differ: their windows must lie in follow-up, so that patients who die in a
window have no example.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import dataframely as dy
import numpy as np
import polars as pl
from meds.schema import death_code

from behrt import hashing
from behrt.admissions import Stays
from behrt.errors import InputError
from behrt.outcomes.censoring import inverse_probability
from behrt.outcomes.diseases import phenotypes_of
from behrt.outcomes.frames import OutcomeLabels
from behrt.sequences.frames import HELD_OUT, SPLITS, Sequences
from behrt.sequences.tasks import window_end
from behrt.settings.outcomes import IndexDay, OutcomeSettings

SUBJECT = 2**32
"""Distance of the keys of two subjects; a key is the subject's row times this, plus the day."""

EARLIEST = 2**30
"""Is added to days, so that they are not negative."""

SEXES = {"men": 1, "women": 2}
MONTHS = 12


@dataclass(frozen=True)
class Step:
    """What is left after a criterion.

    Attributes:
        name: the criterion.
        patients: with an index day that is left.
        index_days: that are left.
    """

    name: str
    patients: int
    index_days: int


@dataclass(frozen=True)
class Dated:
    """Dated events of subjects, to be counted before and after index days.

    Attributes:
        keys: int64, ascending.
    """

    keys: np.ndarray

    @classmethod
    def of(cls, row: np.ndarray, day: np.ndarray) -> "Dated":
        """Return events; `row` is each event's subject, by its row in the sequences."""
        return cls(np.unique(_keys(row, day)))

    def by(self, row: np.ndarray, day: np.ndarray) -> np.ndarray:
        """Return int64 (n): the days with an event of a subject up to and including a day."""
        first = np.searchsorted(self.keys, row.astype(np.int64) * SUBJECT)
        upto: np.ndarray = np.searchsorted(self.keys, _keys(row, day), side="right") - first
        return upto

    def after(self, row: np.ndarray, day: np.ndarray, number: int = 1) -> np.ndarray:
        """Return int64 (n): the day of a subject's n-th event after a day; `NEVER` without one."""
        place = np.searchsorted(self.keys, _keys(row, day), side="right") + number - 1
        key = np.append(self.keys, -1)[np.minimum(place, len(self.keys))]
        days: np.ndarray = np.where(key // SUBJECT == row, key % SUBJECT - EARLIEST, NEVER)
        return days


NEVER = 2**31 - 1


def _keys(row: np.ndarray, day: np.ndarray) -> np.ndarray:
    keys: np.ndarray = row.astype(np.int64) * SUBJECT + day.astype(np.int64) + EARLIEST
    return keys


class _Histories:
    """The subjects of a shard, and what is recorded of them."""

    def __init__(
        self,
        sequences: dy.DataFrame[Sequences],
        events: pl.DataFrame,
        stays: dy.DataFrame[Stays] | None,
    ) -> None:
        self.sequences = sequences.with_row_index("row").with_columns(pl.col("row").cast(pl.Int64))
        rows = self.sequences.select("subject_id", "row")
        visits = self.sequences.select("row", day="visit_day").explode("day", empty_as_null=False)
        self.visits = Dated.of(visits["row"].to_numpy(), visits["day"].to_numpy())
        deaths = (
            events.filter(pl.col("code") == death_code)
            .select("subject_id", day=pl.col("time").dt.date().cast(pl.Int32))
            .join(rows, on="subject_id")
        )
        self.deaths = Dated.of(deaths["row"].to_numpy(), deaths["day"].to_numpy())
        self.stays = None if stays is None else stays.join(rows, on="subject_id")

    def of_diseases(self, diseases: Sequence[int]) -> Dated:
        """Return the visits with any of some diseases."""
        records = (
            self.sequences.select("row", "code", "visit", "visit_day")
            .explode("code", "visit", empty_as_null=False)
            .filter(pl.col("code").is_in(list(diseases)))
            .select("row", day=pl.col("visit_day").list.get("visit"))
        )
        return Dated.of(records["row"].to_numpy(), records["day"].to_numpy())

    def admissions(self, emergency: bool) -> Dated:
        """Return the days of admission."""
        assert self.stays is not None
        chosen = self.stays.filter(pl.col("emergency") | pl.lit(not emergency))
        return Dated.of(chosen["row"].to_numpy(), chosen["admitted"].to_numpy())

    def in_hospital(self, row: np.ndarray, day: np.ndarray) -> np.ndarray:
        """Return bool (n): whether a stay that began by a day ends after it.

        A stay without a known discharge counts on no day.
        """
        assert self.stays is not None
        rows = self.stays["row"].to_numpy()
        ends = self.stays.select(pl.coalesce("discharged", "admitted")).to_series().to_numpy()
        begun = Dated.of(rows, self.stays["admitted"].to_numpy()).by(row, day)
        inside: np.ndarray = begun > Dated.of(rows, ends).by(row, day)
        return inside

    def index_days(self, outcome: OutcomeSettings) -> pl.DataFrame:
        """Return row Int64 and day Int32, one row per index day that the rule allows, sorted."""
        index, sequences = outcome.index, self.sequences
        if isinstance(index, IndexDay) and index.date is not None:
            day = (index.date - date(1970, 1, 1)).days
            days = sequences.select("row", day=pl.lit(day, pl.Int32))
        elif isinstance(index, IndexDay):
            month = pl.col("birth_month") + MONTHS * (index.age or 0)
            first = pl.date(month // MONTHS, month % MONTHS + 1, 1)
            days = sequences.select("row", day=first.cast(pl.Int32))
        elif index == "discharge":
            assert self.stays is not None
            days = self.stays.drop_nulls("discharged").select("row", day="discharged")
        else:
            days = sequences.select("row", day="visit_day").explode("day", empty_as_null=False)
        return days.unique().sort("row", "day")


def label_shard(
    sequences: dy.DataFrame[Sequences],
    events: pl.DataFrame,
    stays: dy.DataFrame[Stays] | None,
    outcome: OutcomeSettings,
    phenotypes: Sequence[str],
    name: str,
    seed: int,
    cut_off: date | None = None,
) -> tuple[pl.DataFrame, list[Step]]:
    """Return the predictions of a shard, with what is left after each criterion.

    Of several visits of a patient that fit all criteria, one is drawn. Each criterion is known by
    the index day, and none depends on the label or the length of follow-up.

    Args:
        sequences: whole histories.
        events: MEDS events of the same subjects, deaths among them.
        stays: in hospital; None if they are not read.
        outcome: the definition.
        phenotypes: names of the vocabulary.
        name: of the outcome, for the draw and for errors.
        seed: of the run.
        cut_off: the first day on which a held-out prediction may be made; None for any.

    Returns:
        subject_id, split, prediction_time, boolean_value, input_visits; days Int64 and complete
        Boolean, as `inverse_probability` takes them: the rows that are not complete have no label.
    """
    where = f"config, outcomes.{name}"
    of_event = phenotypes_of(outcome.diseases, phenotypes, f"{where}.disease")
    having = phenotypes_of(outcome.having, phenotypes, f"{where}.having")
    without = phenotypes_of(outcome.without, phenotypes, f"{where}.without")
    histories = _Histories(sequences, events, stays)
    frame = histories.index_days(outcome).join(
        histories.sequences.select(
            "row", "subject_id", "split", "sex", "birth_month", "follow_up_start", "follow_up_end"
        ),
        on="row",
        maintain_order="left",
    )
    steps = [Step("Patients of the cohort", sequences.height, 0)]

    def keep(step: str, fits: np.ndarray | pl.Expr) -> None:
        nonlocal frame
        frame = frame.filter(pl.Series(fits) if isinstance(fits, np.ndarray) else fits)
        steps.append(Step(step, frame["row"].n_unique(), frame.height))

    def rows() -> tuple[np.ndarray, np.ndarray]:
        return frame["row"].to_numpy(), frame["day"].to_numpy()

    day = pl.col("day")
    keep("With an index day in follow-up", day.is_between("follow_up_start", "follow_up_end"))
    if cut_off is not None:
        late = day.cast(pl.Date) >= cut_off
        keep("From the cut-off on, if held out", (pl.col("split") != HELD_OUT) | late)
    keep("Alive after the index day", histories.deaths.by(*rows()) == 0)
    if stays is not None and outcome.index != "discharge":
        # Diagnoses of a stay have the date of admission, but are only known at discharge.
        keep("Not in hospital on the index day", ~histories.in_hospital(*rows()))
    if outcome.sex:
        keep(outcome.sex.capitalize(), pl.col("sex") == SEXES[outcome.sex])
    if outcome.ages:
        keep(f"Ages {outcome.ages[0]} to {outcome.ages[1]}", _age().is_between(*outcome.ages))
    if outcome.minimum_months:
        since = window_end(pl.col("follow_up_start"), outcome.minimum_months) <= day
        keep(f"Months of follow-up before: at least {outcome.minimum_months}", since)
    enough = histories.visits.by(*rows()) >= outcome.minimum_visits
    word = "an input" if "concept" in sequences.columns else "a diagnosis"
    keep(f"Visits with {word} by the index day: at least {outcome.minimum_visits}", enough)
    if having:
        keep(f"With {' or '.join(outcome.having)}", histories.of_diseases(having).by(*rows()) > 0)
    if without:
        keep(
            f"Without {' and '.join(outcome.without)}",
            histories.of_diseases(without).by(*rows()) == 0,
        )
    if outcome.new:
        keep("Without the disease before", histories.of_diseases(of_event).by(*rows()) == 0)
    if outcome.index == "visit":
        frame = _one_per_row(frame, seed, name)

    frame = _with_label(frame, _event_days(histories, outcome, of_event, *rows()), outcome)
    frame = frame.with_columns(input_visits=pl.Series(histories.visits.by(*rows())))
    complete = frame.filter("complete")
    steps.append(Step("With a known outcome", complete["row"].n_unique(), complete.height))
    return frame.select(
        "subject_id",
        "split",
        prediction_time=day.cast(pl.Date).cast(pl.Datetime("us")),
        boolean_value=pl.col("label"),
        input_visits=pl.col("input_visits").cast(pl.Int16),
        days=pl.col("days").cast(pl.Int64),
        complete="complete",
    ).sort("subject_id", "prediction_time"), steps


def _age() -> pl.Expr:
    """Return the completed years at the index day; birth is on the first of its month."""
    day = pl.col("day").cast(pl.Date)
    return (day.dt.year() * MONTHS + day.dt.month() - 1 - pl.col("birth_month")) // MONTHS


def _one_per_row(frame: pl.DataFrame, seed: int, name: str) -> pl.DataFrame:
    """Return one index day of each subject, drawn from its own."""
    of_row = frame.group_by("row", maintain_order=True).agg(pl.len(), pl.col("subject_id").first())
    draw = hashing.uniform(of_row["subject_id"].to_numpy(), seed, name)
    counts = of_row["len"].to_numpy().astype(np.int64)
    chosen = np.cumsum(counts) - counts + np.floor(draw * counts).astype(np.int64)
    return frame.select(pl.all().gather(chosen))


def _event_days(
    histories: _Histories,
    outcome: OutcomeSettings,
    diseases: Sequence[int],
    row: np.ndarray,
    day: np.ndarray,
) -> pl.DataFrame:
    """Return event and death Int64: the days of both after each index day, `NEVER` for none."""
    death = histories.deaths.after(row, day)
    if outcome.event == "death":
        event = death
    elif diseases:
        event = histories.of_diseases(diseases).after(row, day)
    else:
        emergency = outcome.event == "emergency_admission"
        event = histories.admissions(emergency).after(row, day, outcome.at_least)
    return pl.DataFrame({"event": event, "death": death})


def _with_label(frame: pl.DataFrame, days: pl.DataFrame, outcome: OutcomeSettings) -> pl.DataFrame:
    """Return the frame with label, days and complete."""
    day, end = pl.col("day"), pl.col("follow_up_end")
    last = day + outcome.days if outcome.days else window_end(day, outcome.months or 0)
    known = pl.min_horizontal("event", "death") <= pl.min_horizontal("last", end)
    return (
        pl.concat([frame, days], how="horizontal")
        .with_columns(last=last)
        .with_columns(
            label=(pl.col("event") <= pl.min_horizontal("last", end))
            & (pl.col("event") <= pl.col("death")),
            complete=known | (end >= pl.col("last")),
            days=pl.min_horizontal("event", "death", "last", end) - day,
        )
    )


def add_steps(of_shards: Sequence[Sequence[Step]]) -> list[Step]:
    """Add up what is left in all shards."""
    return [
        Step(same[0].name, sum(s.patients for s in same), sum(s.index_days for s in same))
        for same in zip(*of_shards, strict=True)
    ]


def finish(frame: pl.DataFrame, short_follow_up: str, name: str) -> dy.DataFrame[OutcomeLabels]:
    """Return the labels of all shards with their weights, which each split has of its own.

    Args:
        frame: as `label_shard` returns it.
        short_follow_up: "exclude" or "weight".
        name: of the outcome, for errors.

    Raises:
        InputError: a split has no label, or all its labels are equal.
    """
    parts = []
    for split in SPLITS:
        part = frame.filter(split=split)
        weight = np.ones(part.height)
        if short_follow_up == "weight":
            weight = inverse_probability(part["days"].to_numpy(), part["complete"].to_numpy())
        parts.append(part.with_columns(weight=pl.Series(weight)).filter("complete"))
    labels = OutcomeLabels.validate(
        pl.concat(parts).sort("subject_id", "prediction_time").select(OutcomeLabels.column_names())
    )
    require_both(labels, name)
    return labels


def require_both(labels: pl.DataFrame, name: str) -> None:
    """Refuse labels that nothing can be learned from.

    Raises:
        InputError: a split has no label, or all its labels are equal.
    """
    found: Mapping[str, int] = dict(
        labels.group_by("split").agg(pl.col("boolean_value").n_unique()).iter_rows()
    )
    for split in SPLITS:
        if found.get(split, 0) < 2:
            problem = "all labels are equal" if split in found else "there is no label"
            raise InputError(
                f"outcomes.{name}",
                f"{problem} among the {split.replace('_', '-')} patients",
                "Use more patients, a longer window, or fewer criteria",
            )
