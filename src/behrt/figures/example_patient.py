"""Figure 2: from a patient's visits to the words that BEHRT reads."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Polygon

from behrt import hashing
from behrt.errors import InputError
from behrt.figures.labels import wrapped
from behrt.figures.style import QUIET, chapter_marks, new_figure
from behrt.learning.examples import Examples
from behrt.learning.words import words_of
from behrt.sequences.vocabulary import FIRST_DISEASE, SPECIAL, Vocabulary, read_vocabulary

MOST_VISITS = 7
FEWEST_VISITS = 6
MOST_WORDS = 20
CANDIDATES = 2000

_PLACES = {"VISIT//GP": "GP", "VISIT//HOSPITAL": "Hospital"}
_DROPPED, _DROPPED_INK = "#8E7CC3", "#4B3B85"  # the paper draws these visits in purple
_SEGMENTS = ("#ECECEC", "#CFDDEA")
_MONTH = 365.25 / 12


@dataclass(frozen=True)
class Visit:
    """One day: places, age in months, months since the previous visit, and diseases."""

    places: tuple[str, ...]
    age: int
    months_since: int
    diseases: tuple[int, ...]


# --- Choice of the patient ------------------------------------------------------------------------


def choose_simulated(events: list[Path], sequences: list[Path], seed: int) -> list[Visit]:
    """Return the first seven visits of one simulated patient.

    Of the first `CANDIDATES` training patients in the order of a hash of id and seed, it is the
    first who meets most of these conditions: at least six visits; a visit with several diagnoses;
    one without any; at least four with one; few enough diagnoses to fit the figure.

    Raises:
        InputError: no training patient has a visit with a diagnosis.
    """
    subjects = (
        pl.scan_parquet(sequences)
        .filter((pl.col("split") == "train") & (pl.col("visit_day").list.len() > 0))
        .select("subject_id")
        .collect()["subject_id"]
        .sort()
    )
    if subjects.is_empty():
        raise InputError("sequences", "no training patient has a diagnosis", "Use more patients")
    order = np.argsort(hashing.mix(subjects.to_numpy(), seed, "figure 2"), kind="stable")
    candidates = pl.DataFrame({"subject_id": subjects.gather(order[:CANDIDATES])})
    candidates = candidates.with_row_index("order")
    code = pl.col("code")
    days = (
        pl.scan_parquet(events)
        .filter(code.is_in(list(_PLACES)))
        .join(candidates.lazy(), on="subject_id", how="semi")
        .group_by("subject_id", day=pl.col("time").dt.date().cast(pl.Int32))
        .agg(places=code.unique().sort().replace(_PLACES))
    )
    diagnoses = (
        pl.scan_parquet(sequences)
        .join(candidates.lazy(), on="subject_id")
        .select("subject_id", "order", "birth_month", "visit_day", "code", "visit")
        .collect()
    )
    kept = (
        diagnoses.select("subject_id", "visit_day", "code", "visit")
        .explode("code", "visit")
        .drop_nulls("code")
        .group_by("subject_id", day=pl.col("visit_day").list.get(pl.col("visit")))
        .agg(diseases=pl.col("code").sort())
    )
    visits = (
        days.collect()
        .join(kept, on=["subject_id", "day"], how="full", coalesce=True)
        .with_columns(pl.col("places", "diseases").fill_null([]))
        .sort("subject_id", "day")
        .group_by("subject_id", maintain_order=True)
        .head(MOST_VISITS)
    )
    sizes = pl.col("diseases").list.len()
    met = visits.group_by("subject_id").agg(
        met=(pl.len() >= FEWEST_VISITS).cast(pl.Int8)
        + (sizes > 1).any().cast(pl.Int8)
        + (sizes == 0).any().cast(pl.Int8)
        + ((sizes > 0).sum() >= 4).cast(pl.Int8)
        + (1 + sizes.sum() + (sizes > 0).sum() <= MOST_WORDS).cast(pl.Int8)
    )
    best = (
        diagnoses.join(met, on="subject_id")
        .sort(-pl.col("met").cast(pl.Int32), "order")
        .row(0, named=True)
    )
    day = pl.col("day").cast(pl.Date).dt
    chosen = visits.filter(pl.col("subject_id") == best["subject_id"]).select(
        "places",
        age=(day.year() - best["birth_month"] // 12) * 12 + day.month() - 1,
        months_since=(pl.col("day").diff() / _MONTH).round().fill_null(0).cast(pl.Int32),
        diseases="diseases",
    )
    return [
        Visit(tuple(places), age, months, tuple(diseases))
        for places, age, months, diseases in chosen.iter_rows()
    ]


def make_artificial(sequences: list[Path], n_diseases: int) -> list[Visit]:
    """Return seven visits of an artificial patient, for data that must not be shown.

    They are made from aggregates: the diseases are the most common in both sexes (by the smaller
    of the two counts), the first age is the median, and the months between visits are quantiles of
    all such gaps. The number of diseases of each visit is fixed.
    """
    frame = pl.scan_parquet(sequences).filter(pl.col("split") == "train")
    counts = np.zeros((2, n_diseases), dtype=np.int64)
    patients = frame.filter(pl.col("sex") > 0).select("sex", code=pl.col("code").list.unique())
    for sex, code, count in (
        patients.explode("code").drop_nulls().group_by("sex", "code").len().collect().iter_rows()
    ):
        counts[sex - 1, code] = count
    common = np.argsort(-counts.min(axis=0), kind="stable")
    age = frame.select(pl.col("visit_age").list.first().median()).collect().item()
    quantiles = (0.3, 0.8, 0.5, 0.9, 0.2, 0.6)
    gap = frame.select(gap=pl.col("visit_day").list.diff()).explode("gap").drop_nulls()
    gaps = gap.select(pl.col("gap").quantile(q).alias(str(q)) for q in quantiles).collect().row(0)
    if age is None or None in gaps:
        raise InputError("sequences", "no training patient has two visits", "Use more patients")

    visits: list[Visit] = []
    month, used = round(age), 0
    for size, places, days in zip(
        (1, 2, 0, 1, 3, 0, 2),
        (("GP",), ("GP",), ("GP",), ("GP",), ("Hospital",), ("GP",), ("GP", "Hospital")),
        (0, *gaps),
        strict=True,
    ):
        months_since = round(days / _MONTH)
        month += months_since
        diseases = sorted(int(code) for code in common[used : used + size])
        visits.append(Visit(places, month, months_since, tuple(diseases)))
        used += size
    return visits


def words_read(
    visits: list[Visit], n_diseases: int, maximum_length: int
) -> list[tuple[int, int, int]]:
    """Return token, age in months and visit index of every word that BEHRT reads."""
    kept = [visit for visit in visits if visit.diseases]
    sizes = [len(visit.diseases) for visit in kept]
    nothing = np.zeros(2, dtype=np.int64)
    examples = Examples(
        subject_id=np.zeros(1, dtype=np.int64),
        sex=np.zeros(1, dtype=np.int8),
        follow_up_start=np.zeros(1, dtype=np.int32),
        visit_offsets=np.array([0, len(kept)]),
        visit_day=np.arange(len(kept), dtype=np.int32),
        visit_age=np.array([visit.age for visit in kept], dtype=np.int16),
        code_offsets=np.cumsum([0, *sizes]),
        codes=np.array([code for visit in kept for code in visit.diseases], dtype=np.int16),
        label_offsets=nothing,
        labels=np.zeros(0, dtype=np.int16),
        known_offsets=nothing,
        known=np.zeros(0, dtype=np.int16),
        n_diseases=n_diseases,
    )
    words = words_of(examples, np.zeros(1, dtype=np.int64), maximum_length, closing_mask=False)
    columns = (words.tokens.tolist(), words.ages.tolist(), words.visits.tolist())
    return list(zip(*columns, strict=True))


# --- Drawing --------------------------------------------------------------------------------------

# All lengths are inches: the axes span the figure and are measured in inches.
_WIDTH = 11.0
_LEFT = 1.5
_LINE = 0.135
_ROW = 0.27


def _box(axes: Axes, left: float, bottom: float, width: float, height: float, **style: Any) -> None:
    style = {"facecolor": "white", "edgecolor": QUIET, "linewidth": 0.8, **style}
    shape = "round,pad=0,rounding_size=0.05"
    axes.add_patch(FancyBboxPatch((left, bottom), width, height, boxstyle=shape, **style))


def _tint(colour: str, share: float = 0.45) -> tuple[float, ...]:
    return tuple(1 - share * (1 - channel) for channel in to_rgb(colour))


def _text(axes: Axes, x: float, y: float, text: str, **style: Any) -> None:
    style = {"ha": "center", "va": "center_baseline", "fontsize": 7, **style}
    axes.text(x, y, text, **style)


def _chip(axes: Axes, x: float, y: float, text: str, colour: str, width: float) -> None:
    """Draw a small coloured label centred on (x, y)."""
    style = {"facecolor": _tint(colour), "edgecolor": colour}
    _box(axes, x - width / 2, y - 0.085, width, 0.17, **style)
    _text(axes, x, y, text, fontsize=6.5)


def draw(
    events: list[Path],
    sequences: list[Path],
    vocabulary: Path,
    data: str,
    seed: int,
    maximum_length: int,
) -> Figure:
    """Return the figure: a simulated patient, or, of other data, an artificial one.

    Args:
        events: MEDS shards.
        sequences: the same shards as sequences.
        vocabulary: names and chapters.
        data: the source of the run; a patient is shown only if it is "simulated".
        seed: of the choice of the patient.
        maximum_length: most words that the model reads.
    """
    words = read_vocabulary(vocabulary)
    if data == "simulated":
        visits = choose_simulated(events, sequences, seed)
        whose = f"The first {len(visits)} visits of a simulated patient"
    else:
        visits = make_artificial(sequences, len(words.phenotypes))
        whose = "An artificial patient, made from averages of the population: not a record"
    return draw_visits(visits, words, maximum_length, whose)


def draw_visits(
    visits: list[Visit], vocabulary: Vocabulary, maximum_length: int, whose: str
) -> Figure:
    """Return the figure: the visits above, the words made of them below.

    Args:
        visits: in order of time.
        vocabulary: names and chapters.
        maximum_length: most words that the model reads.
        whose: a text about the patient.
    """
    marks = chapter_marks(vocabulary.chapters)
    diseases = list(dict.fromkeys(code for visit in visits for code in visit.diseases))
    labels = {code: f"D{i + 1}" for i, code in enumerate(diseases)}
    colours = {code: marks[vocabulary.chapters[code]].colour for code in diseases}
    pitch = (_WIDTH - _LEFT) / len(visits)
    box_width = pitch - 0.14
    characters = int((box_width - 0.1) / 0.0585)
    names = {
        code: wrapped(vocabulary.phenotypes[code], characters).split("\n") for code in diseases
    }
    text_heights = [
        sum(0.31 + len(names[code]) * _LINE for code in visit.diseases) for visit in visits
    ]
    box_height = max(0.5, *text_heights) + 0.05
    chapters = sorted({vocabulary.chapters[code] for code in diseases})
    legend = -(-len(chapters) // 3) * 0.2
    words_bottom = legend + 0.2
    words_top = words_bottom + 4 * _ROW
    bottom = words_top + 0.45
    top = bottom + box_height
    height = top + 1.0

    figure = new_figure(_WIDTH, height)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, _WIDTH), ylim=(0, height))
    axes.set_axis_off()
    _text(axes, 0.05, height - 0.12, "What is recorded", fontsize=9, weight="bold", ha="left")
    _text(axes, _WIDTH - 0.1, height - 0.12, whose, ha="right", color=QUIET)

    words = words_read(visits, len(vocabulary.phenotypes), maximum_length)
    cell = min(0.68, (_WIDTH - _LEFT) / len(words))
    kept = [i for i, visit in enumerate(visits) if visit.diseases]
    kept = kept[len(kept) - 1 - words[-1][2] :]  # the first visits of a long input are cut
    for i, visit in enumerate(visits):
        left = _LEFT + i * pitch + 0.07
        middle = left + box_width / 2
        _text(axes, middle, top + 0.34, " + ".join(visit.places) or "Unknown", weight="bold")
        _text(axes, middle, top + 0.15, f"age {visit.age // 12}")
        if i:
            arrow = {"arrowstyle": "->", "color": QUIET, "linewidth": 0.7}
            ends = ((middle - pitch / 2 - 0.3, top + 0.55), (middle - pitch / 2 + 0.3, top + 0.55))
            axes.annotate("", ends[1], ends[0], arrowprops=arrow)
            gap = f"{visit.months_since} months" if visit.months_since > 1 else "1 month"
            gap = gap if visit.months_since else "< 1 month"
            _text(axes, middle - pitch / 2, top + 0.65, gap, fontsize=6.5, color=QUIET)
        if not visit.diseases:
            style = {"edgecolor": _DROPPED, "facecolor": _tint(_DROPPED, 0.2), "linestyle": "--"}
            _box(axes, left, bottom, box_width, box_height, **style)
            for line, y in (("no diagnosis:", 0.08), ("left out", -0.08)):
                _text(axes, middle, bottom + box_height / 2 + y, line, color=_DROPPED_INK)
            continue
        _box(axes, left, bottom, box_width, box_height)
        y = top
        for code in visit.diseases:
            _chip(axes, left + 0.23, y - 0.16, labels[code], colours[code], 0.32)
            y -= 0.27
            for line in names[code]:
                _text(axes, left + 0.07, y - _LINE / 2, line, ha="left")
                y -= _LINE
            y -= 0.04
        if i in kept:
            mine = [w for w, (_, _, visit_read) in enumerate(words) if visit_read == kept.index(i)]
            corners = [
                (left, bottom),
                (left + box_width, bottom),
                (_LEFT + (mine[-1] + 1) * cell - 0.02, words_top + 0.02),
                (_LEFT + mine[0] * cell + 0.02, words_top + 0.02),
            ]
            axes.add_patch(Polygon(corners, facecolor="#F1F1F1", edgecolor="none", zorder=0))

    _text(axes, 0.05, words_top + 0.15, "What BEHRT reads", fontsize=9, weight="bold", ha="left")
    for row, name in enumerate(("Token", "Age, months", "Segment", "Position")):
        y = words_top - (row + 0.5) * _ROW
        _text(axes, 0.05, y, name, ha="left")
        for w, (token, age, visit_read) in enumerate(words):
            x = _LEFT + (w + 0.5) * cell
            segment = visit_read % 2
            if row > 0:
                style = {"facecolor": _SEGMENTS[segment], "edgecolor": "white"}
                _box(axes, x - cell / 2 + 0.02, y - 0.11, cell - 0.04, 0.22, **style)
                _text(axes, x, y, (str(age), "AB"[segment], str(visit_read))[row - 1])
            elif token < FIRST_DISEASE:
                _text(axes, x, y, SPECIAL[token], fontsize=6.5, color=QUIET, weight="bold")
            else:
                code = token - FIRST_DISEASE
                _chip(axes, x, y, labels[code], colours[code], cell - 0.08)
    for i, chapter in enumerate(chapters):
        x, y = _LEFT + i % 3 * (_WIDTH - _LEFT) / 3, legend - i // 3 * 0.2
        _chip(axes, x + 0.12, y, "", marks[chapter].colour, 0.2)
        _text(axes, x + 0.3, y, chapter, ha="left", fontsize=6.5)
    return figure
