"""Figure 5: each diagnosis of a patient against the others, by attention and by attribution."""

import string
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path as Outline

from behrt.figures.style import FAINT, INK, QUIET, new_figure
from behrt.interpretation.diagnoses import Diagnoses, compare
from behrt.interpretation.patients import choose
from behrt.learning.artefacts import check_vocabulary
from behrt.learning.load import load_examples
from behrt.learning.words import words_of
from behrt.logs import logger
from behrt.models import behrt
from behrt.sequences.vocabulary import Vocabulary, read_vocabulary

# All lengths are inches: the axes span the figure and are measured in inches.
_ROW = 0.25
_NAMES = 2.55
_LINKS = 0.75
_GAP = 0.42
_HEAD_GAP = 0.12
_TOP = 0.62
_BOTTOM = 0.72
_CHARACTERS = 36

_BLUE = "#0B559F"
_RAISES, _LOWERS = "#B35806", "#542788"  # the ends of ColorBrewer's PuOr, safe for the colour-blind


def _tint(colour: str, share: float) -> tuple[float, ...]:
    return tuple(1 - share * (1 - channel) for channel in to_rgb(colour))


def _text(axes: Axes, x: float, y: float, text: str, **style: object) -> None:
    style = {"va": "center_baseline", "fontsize": 7, **style}
    axes.text(x, y, text.replace("$", r"\$"), **style)  # type: ignore[arg-type]


def _short(name: str) -> str:
    name = name.replace("_", ": ")
    return name if len(name) <= _CHARACTERS else name[: _CHARACTERS - 1].rstrip(" (,") + "…"


def _columns(axes: Axes, left: float, top: float, patient: Diagnoses, names: list[str]) -> None:
    """Draw the two identical columns, and the attention of the diagnosis of interest."""
    weights = patient.mean_attention()
    interest = patient.of_interest()
    most = weights[interest].max() or 1
    right = left + _NAMES + _LINKS
    for i, name in enumerate(names):
        y = top - (i + 0.5) * _ROW
        starts = i == 0 or patient.visits[i] != patient.visits[i - 1]
        if starts:
            _text(axes, left - 0.09, y, f"{patient.ages[i] // 12}", ha="right", color=QUIET)
            for x in (left, right):
                axes.plot([x, x + _NAMES], [y + _ROW / 2] * 2, color=FAINT, lw=0.6, zorder=0)
        share = weights[interest, i] / most
        for x, colour in (
            (left, _tint(INK, 0.18) if i == interest else None),
            (right, _tint(_BLUE, 0.9 * share) if i != interest else None),
        ):
            if colour:
                box = (x, y - _ROW / 2 + 0.015)
                axes.add_patch(Rectangle(box, _NAMES, _ROW - 0.03, facecolor=colour, zorder=1))
            dark = x == right and share > 0.6 and i != interest
            style = {"color": "white" if dark else INK, "zorder": 3}
            weight = "bold" if x == left and i == interest else "normal"
            _text(axes, x + 0.2, y, f"{i + 1}", ha="right", fontsize=6, **style)
            _text(axes, x + 0.26, y, name, weight=weight, **style)
        if i != interest:
            start = (left + _NAMES, top - (interest + 0.5) * _ROW)
            bends = ((start[0] + _LINKS / 2, start[1]), (start[0] + _LINKS / 2, y), (right, y))
            curve = Outline([start, *bends], [Outline.MOVETO, *[Outline.CURVE4] * 3])
            colour = _tint(_BLUE, 0.15 + 0.85 * share)
            line = {"edgecolor": colour, "linewidth": 0.3 + 2.7 * share, "zorder": 1 + share}
            axes.add_patch(PathPatch(curve, facecolor="none", **line))
    bottom = top - len(names) * _ROW
    for x in (left, right):
        axes.plot([x, x + _NAMES], [bottom] * 2, color=FAINT, linewidth=0.6, zorder=0)
    _text(axes, left - 0.09, top + 0.1, "age", ha="right", color=QUIET)
    _text(axes, left + 0.06, top + 0.1, "Diagnosis of interest (grey)", color=QUIET)
    _text(axes, right + 0.06, top + 0.1, "What it looks at (blue)", color=QUIET)


def _matrix(
    figure: Figure, box: tuple[float, float, float], values: np.ndarray, colours: str, low: float
) -> Axes:
    """Draw a square matrix without its diagonal; `box` is left, top and side in inches."""
    width, height = figure.get_size_inches()
    left, top, side = box
    axes = figure.add_axes((left / width, (top - side) / height, side / width, side / height))
    masked = np.ma.array(values, mask=np.eye(len(values), dtype=bool))
    most = float(np.abs(masked).max()) or 1.0
    axes.imshow(masked, cmap=colours, vmin=low * most, vmax=most, aspect="auto")
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(visible=True, edgecolor=FAINT)
    return axes


def _numbered(axes: Axes, count: int) -> None:
    numbers = [str(i + 1) for i in range(count)]
    axes.set_xticks(range(count), numbers, fontsize=6)
    axes.set_yticks(range(count), numbers, fontsize=6)
    axes.tick_params(length=0, pad=2)


def _scale(figure: Figure, left: float, bottom: float, side: float, axes: Axes, says: str) -> None:
    width, height = figure.get_size_inches()
    place = (left / width, bottom / height, side / width, 0.07 / height)
    bar = figure.colorbar(
        axes.images[0], cax=figure.add_axes(place), orientation="horizontal", format="%g"
    )
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=6, length=2, pad=1)
    bar.ax.locator_params(nbins=4)
    bar.set_label(says, fontsize=6.5, labelpad=2)


def draw(
    sequences: list[Path],
    task_examples: Path,
    vocabulary: Path,
    weights: Path,
    model_config: Path,
    seed: int,
    patients: int,
    diagnoses: list[int],
    most_visits: int,
) -> Figure:
    """Return the figure, of simulated patients.

    Args:
        sequences: the shards.
        task_examples: of one task.
        vocabulary: names.
        weights, model_config: files of one folder, of the pretrained model.
        seed, patients, diagnoses, most_visits: as `behrt.interpretation.patients.choose` takes
            them.
    """
    names = read_vocabulary(vocabulary)
    check_vocabulary(weights.parent, names.version)
    network, settings = behrt.load(weights.parent)
    held_out = load_examples(sequences, task_examples, "held_out", vocabulary, labelled=False)
    rows = choose(held_out, seed, patients, diagnoses, most_visits)
    compared = [
        compare(network, words_of(held_out, row, settings.max_length, closing_mask=False))
        for row in np.split(rows, len(rows))
    ]
    logger.info(
        "attention: %d simulated histories; rank correlation with integrated gradients %s",
        len(rows),
        ", ".join(f"{one.agreement():.2f}" for one in compared),
    )
    titles = [f"Simulated patient {letter}" for letter in string.ascii_uppercase[: len(rows)]]
    return draw_diagnoses(compared, titles, names)


def draw_diagnoses(
    patients: Sequence[Diagnoses], who: Sequence[str], vocabulary: Vocabulary
) -> Figure:
    """Return the figure, with one row per patient.

    From left to right: the paper's two columns, for the diagnosis with the highest attention to one
    of another visit; all diagnoses against all, averaged over heads; integrated gradients; each
    head.

    Args:
        patients: what to draw.
        who: a heading for each, without anything that must not be shown.
        vocabulary: names.
    """
    heads = patients[0].attention.shape[0]
    across = int(np.ceil(np.sqrt(heads)))
    down = -(-heads // across)
    sides = [len(patient.diseases) * _ROW for patient in patients]
    side = max(sides)
    squares = [(max(own, 2.0) - (down - 1) * _HEAD_GAP) / down - 0.14 for own in sides]
    left = 0.4
    first = left + 2 * _NAMES + _LINKS + _GAP + 0.1
    second = first + side + _GAP
    third = second + side + _GAP
    width = third + across * (max(squares) + _HEAD_GAP)
    tall = [_TOP + max(own, 2.0) + _BOTTOM for own in sides]
    figure = new_figure(width, sum(tall))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(0, sum(tall)))
    axes.set_axis_off()

    ceiling = sum(tall)
    for patient, title, own, head, height in zip(patients, who, sides, squares, tall, strict=True):
        names = [_short(vocabulary.names[disease]) for disease in patient.diseases]
        top = ceiling - _TOP
        _text(axes, 0.05, ceiling - 0.12, title, fontsize=9, weight="bold")
        _columns(axes, left, top, patient, names)
        elsewhere = 1 - patient.attention.sum(axis=-1).mean()
        for x, heading in (
            (first, f"Attention, mean of {heads} heads"),
            (second, "Integrated gradients"),
            (third, "Attention of each head"),
        ):
            _text(axes, x, ceiling - 0.14, heading, fontsize=8, weight="bold")
        _text(axes, first, ceiling - 0.32, "row looks at column", color=QUIET)
        _text(axes, second, ceiling - 0.32, "contribution of column to row, masked", color=QUIET)
        attended = _matrix(figure, (first, top, own), patient.mean_attention(), "Blues", 0)
        attributed = _matrix(figure, (second, top, own), patient.contributions, "PuOr_r", -1)
        bar = top - own - 0.16
        _scale(figure, first, bar, own, attended, f"weight; {elsewhere:.0%} goes to CLS and SEP")
        agreement = f"change in log-odds; rank correlation with attention {patient.agreement():.2f}"
        _scale(figure, second, bar, own, attributed, agreement)
        for matrix in (attended, attributed):
            _numbered(matrix, len(names))
            matrix.xaxis.tick_top()
        for index in range(heads):
            x = third + index % across * (head + _HEAD_GAP)
            y = top - index // across * (head + 0.14 + _HEAD_GAP)
            _text(axes, x, y + 0.07, f"{index + 1}", fontsize=6, color=QUIET)
            _matrix(figure, (x, y, head), patient.attention[index], "Blues", 0)
        ceiling -= height
    return figure
