"""The embedding map as one interactive page that needs no network."""

import json
from html import escape
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from behrt.disclosure import Rules
from behrt.evaluation.neighbours import find_nearest, is_offered
from behrt.evaluation.tidy import DECIMALS
from behrt.figures.embedding_map import SEEN_ENOUGH
from behrt.figures.labels import short_chapter
from behrt.figures.style import FAINT, INK, QUIET, chapter_marks
from behrt.sequences.vocabulary import Vocabulary

TEMPLATE = Path(__file__).parent / "pages" / "embedding_map.html.jinja"

_SYMBOLS = {"o": "circle", "D": "diamond", "^": "triangle-up", "s": "square"}
_LARGE, _SMALL = 11, 6


def prevalence(patients: int, total: int, rules: Rules) -> str:
    """Return the approximate share of patients with a disease, or why it is not shown."""
    if patients == 0:
        return "no training patient"
    share = rules.coarse_share(patients, total)
    if share is None:
        few = f"fewer than {rules.threshold} training patients"
        return few if patients < rules.threshold else f"all but {few}"
    return f"{100 * share:.3g} %"


def describe(
    places: np.ndarray,
    vocabulary: Vocabulary,
    patients: np.ndarray,
    total: int,
    embeddings: np.ndarray,
    neighbours: int,
    rules: Rules,
) -> list[dict[str, Any]]:
    """Return what the page shows of each disease, in the vocabulary's order.

    Args:
        places: float (diseases, 2), on the map.
        vocabulary: names and chapters.
        patients: int (diseases), training patients who had each disease.
        total: training patients.
        embeddings: float (diseases, hidden).
        neighbours: most per disease. A disease with fewer patients than the threshold has
            none, and is not a neighbour.
        rules: the smallest count of patients to show, and how counts are rounded.

    Returns:
        name, chapter, prevalence (texts), x, y, and neighbours: an index and a cosine each.
    """
    offered = np.flatnonzero(is_offered(patients, rules.threshold))
    nearest, cosine = find_nearest(embeddings, offered, offered, neighbours)
    near: dict[int, list[list[int | float]]] = {
        int(disease): [[int(j), round(float(c), DECIMALS)] for j, c in zip(*both, strict=True)]
        for disease, *both in zip(offered, nearest, cosine, strict=True)
    }
    return [
        {
            "name": name,
            "chapter": chapter,
            "prevalence": prevalence(int(patients[i]), total, rules),
            "x": round(float(places[i, 0]), 3),
            "y": round(float(places[i, 1]), 3),
            "neighbours": near.get(i, []),
        }
        for i, (name, chapter) in enumerate(
            zip(vocabulary.phenotypes, vocabulary.chapters, strict=True)
        )
    ]


def _hover(disease: dict[str, Any], diseases: list[dict[str, Any]]) -> str:
    lines = [f"<b>{escape(disease['name'])}</b>", escape(disease["chapter"])]
    lines.append(f"Prevalence: {disease['prevalence']}")
    if disease["neighbours"]:
        lines.append("Nearest: ")
        lines += [f"  {escape(diseases[j]['name'])}" for j, _ in disease["neighbours"]]
    return "<br>".join(lines)


def build_figure(
    diseases: list[dict[str, Any]], vocabulary: Vocabulary, patients: np.ndarray
) -> go.Figure:
    """Return the map: one trace per chapter, then the lines and the ring of the chosen disease."""
    traces = []
    for chapter, mark in chapter_marks(vocabulary.chapters).items():
        chosen = [i for i, of in enumerate(vocabulary.chapters) if of == chapter]
        bold = [bool(patients[i] >= SEEN_ENOUGH) for i in chosen]
        traces.append(
            go.Scatter(
                x=[diseases[i]["x"] for i in chosen],
                y=[diseases[i]["y"] for i in chosen],
                customdata=chosen,
                hovertext=[_hover(diseases[i], diseases) for i in chosen],
                hoverinfo="text",
                mode="markers",
                name=short_chapter(chapter),
                marker={
                    "color": mark.colour,
                    "symbol": _SYMBOLS[mark.marker],
                    "size": [_LARGE if large else _SMALL for large in bold],
                    "opacity": [0.95 if large else 0.5 for large in bold],
                    "line": {"color": "white", "width": 0.5},
                },
            )
        )
    extra: dict[str, Any] = {"x": [], "y": [], "hoverinfo": "skip", "showlegend": False}
    traces.append(go.Scatter(**extra, mode="lines", line={"color": QUIET, "width": 1}))
    ring = {"symbol": "circle-open", "size": 20, "color": INK, "line": {"width": 2}}
    traces.append(go.Scatter(**extra, mode="markers", marker=ring))
    axis = {"visible": False}
    return go.Figure(
        traces,
        go.Layout(
            template="none",
            xaxis=axis,
            yaxis={**axis, "scaleanchor": "x"},
            margin={"l": 10, "r": 10, "t": 40, "b": 10},
            legend={"title": {"text": "Chapter"}, "itemsizing": "constant"},
            hoverlabel={"align": "left", "bgcolor": "white", "bordercolor": FAINT},
            hovermode="closest",
            dragmode="pan",
        ),
    )


def _embedded(text: str) -> str:
    """Return JSON that cannot end a script element, for any name in it."""
    return text.replace("<", "\\u003c")


def render(
    diseases: list[dict[str, Any]],
    vocabulary: Vocabulary,
    patients: np.ndarray,
    total: int,
    data: str,
    protocol: str,
    seed: int,
) -> str:
    """Return the page: one HTML text that loads nothing and has a policy that forbids it.

    Args:
        diseases: as `describe` gives them.
        vocabulary: chapters.
        patients: int (diseases), training patients who had each disease.
        total: training patients.
        data, protocol, seed: of the run.
    """
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    figure = build_figure(diseases, vocabulary, patients)
    return template.render(
        plotly=get_plotlyjs(),
        diseases=_embedded(json.dumps(diseases, ensure_ascii=False)),
        figure=_embedded(json.dumps(figure.to_plotly_json(), ensure_ascii=False, sort_keys=True)),
        places=len(diseases),
        patients=total,
        seen_enough=SEEN_ENOUGH,
        data=data,
        protocol=protocol,
        seed=seed,
    )
