"""Diseases of one sex, as models predict them to that sex and to the other (Table S7, drawn)."""

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from behrt.figures.below import write_below
from behrt.figures.labels import shortened
from behrt.figures.models import broken, model_marks, models_of, note_too_few
from behrt.figures.style import FAINT, INK, PALETTE, QUIET, new_figure

_ROW = 0.235
"""Inches a disease."""
_OWN, _OTHER = PALETTE[0], PALETTE[1]


def draw(table: pl.DataFrame, reference: str, ranks: int) -> Figure:
    """Return two panels over the same rows, diseases of women above those of men.

    A: the share of each sex for whom the reference ranks the disease among the first, with
    intervals. B: the AUROC of the disease's score between the two sexes, for every model. A disease
    that is recorded for the other sex is set in bold.

    Args:
        table: table *sex_specific*.
        reference: the model of A.
        ranks: how many are the first.
    """
    numbers = ["recorded_other", "patients_own", "patients_other", "auroc"]
    numbers += [
        f"ranked_{side}_share{end}" for side in ("own", "other") for end in ("", "_low", "_high")
    ]
    table = table.cast(dict.fromkeys(numbers, pl.Float64))
    own = table.filter(model=reference).sort("sex", maintain_order=True)
    count = len(own)
    figure = new_figure(8, 1.0 + _ROW * max(count, 4))
    height = _ROW * max(count, 4) / figure.get_figheight()
    bottom = 1 - height - 0.5 / figure.get_figheight()
    shares = figure.add_axes((0.3, bottom, 0.33, height))
    aurocs = figure.add_axes((0.66, bottom, 0.32, height))
    for axes in (shares, aurocs):
        axes.set(ylim=(max(count, 1) - 0.5, -0.5), yticks=range(count))
        axes.tick_params(axis="y", length=0)
        axes.grid(True, axis="x")
        axes.set_axisbelow(True)
        axes.spines["left"].set_visible(False)
        edge = len(own.filter(sex="female")) - 0.5
        axes.axhline(edge, color=QUIET, linewidth=0.6)
    aurocs.set_yticklabels([])
    shares.set_yticklabels([shortened(name, 42) for name in own["disease"]])
    # A null is a count that is not shown, so it is above 0 too.
    on_record = own["recorded_other"].fill_null(1) > 0
    for label, bold in zip(shares.get_yticklabels(), on_record, strict=True):
        label.set(weight="bold" if bold else "normal", color=INK)
    hidden = _draw_shares(shares, own)
    _draw_aurocs(aurocs, table, own["disease"].to_list())
    if hidden == 2 * count:
        note_too_few(shares)
    if table["auroc"].null_count() == len(table):
        note_too_few(aurocs)
    shares.set_title(broken(f"A  {reference}: among the first {ranks}", 34))
    shares.set_xlabel("Share of held-out patients (%), square root scale")
    aurocs.set_title("B  Discrimination between sexes")
    aurocs.set_xlabel("AUROC of the disease’s score for its sex")
    notes = ["Bold: also recorded for the other sex."]
    if hidden:
        notes.append("No mark in A: too few patients to be shown.")
    for axes, title in ((shares, "A"), (aurocs, "B")) if count else ():
        handles, _ = axes.get_legend_handles_labels()
        write_below(figure, handles, title=title, alignment="left", handletextpad=0.3)
    write_below(figure, note="\n".join(notes))
    return figure


def _draw_shares(axes: Axes, rows: pl.DataFrame) -> int:
    """Draw both sexes' shares, and return how many are not shown."""
    hidden = 0
    sides = (("own", _OWN, "o", "the sex that can have it"), ("other", _OTHER, "D", "the other"))
    for offset, (side, colour, marker, label) in zip((-0.14, 0.14), sides, strict=True):
        columns = [f"ranked_{side}_share{end}" for end in ("", "_low", "_high")]
        values = rows.with_row_index("row").select("row", *columns).drop_nulls()
        hidden += len(rows) - len(values)
        row = values["row"].to_numpy() + offset
        value, low, high = (100 * values[column].to_numpy() for column in columns)
        axes.hlines(row, low, high, color=colour, linewidth=1)
        axes.plot(value, row, marker, color=colour, markersize=4, linestyle="none", label=label)
    axes.set_xscale("function", functions=(lambda x: abs(x) ** 0.5, lambda x: x**2))
    top = max(axes.get_xlim()[1], 1)
    axes.set_xlim(0, top)
    axes.set_xticks([tick for tick in (0, 1, 5, 10, 20, 40, 80) if tick <= top])
    return hidden


def _draw_aurocs(axes: Axes, table: pl.DataFrame, diseases: list[str]) -> None:
    place = {disease: row for row, disease in enumerate(diseases)}
    axes.axvline(0.5, color=INK, linewidth=0.8)
    for model, mark in model_marks(models_of(table)).items():
        values = table.filter(pl.col("model") == model).drop_nulls("auroc")
        axes.plot(
            values["auroc"].to_numpy(),
            [place[disease] for disease in values["disease"]],
            mark.marker,
            color=mark.colour,
            markeredgecolor="white",
            markeredgewidth=0.4,
            markersize=5,
            linestyle="none",
            label=model,
        )
    axes.set_xlim(min(axes.get_xlim()[0], 0.4), 1.01)
    axes.hlines(range(len(diseases)), *axes.get_xlim(), color=FAINT, linewidth=0.4, zorder=0)
