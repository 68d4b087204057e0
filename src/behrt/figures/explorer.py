"""The explorer: one self-contained HTML page of a BEHRT's inputs, attention and predictions."""

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from behrt.figures.style import chapter_marks
from behrt.interpretation.predictions import History
from behrt.learning.futures import Futures, cumulative_incidence
from behrt.learning.visits import DAYS_A_YEAR
from behrt.sequences.vocabulary import FIRST_DISEASE, SPECIAL, Vocabulary

YEARS, SAMPLES = 10, 3
"""The years of a future, and the futures of a patient that are shown one by one."""

_SEXES = ("person", "man", "woman")


def packed(attention: np.ndarray) -> str:
    """Return weights in [0, 1] as base64 of one byte each: 255 times the square root, rounded.

    The root keeps small weights distinct; the error of a weight w is at most about √w / 255.
    """
    return base64.b64encode(np.rint(255 * np.sqrt(attention)).astype(np.uint8).tobytes()).decode()


def future_data(
    futures: Futures, start: np.ndarray, known: np.ndarray, ages: np.ndarray, shown: int
) -> list[dict[str, Any]]:
    """Return what the page shows of the futures of each patient.

    Args:
        futures: of the patients, over `YEARS`.
        start: int64 (patients), the day that they start from.
        known: bool (patients, diseases), the diseases on record.
        ages: int64 (patients), months at that day.
        shown: new diseases, those with the highest cumulative incidence at the end.
    """
    times = np.arange(1, YEARS + 1)
    diseases = known.shape[1]
    shares = cumulative_incidence(futures, start, np.floor(times * DAYS_A_YEAR), diseases)
    found = []
    for patient in range(len(start)):
        new = np.where(known[patient], -1.0, shares[patient, :-1, -1])
        order = np.argsort(-new, kind="stable")[:shown]
        found.append(
            {
                "death": np.round(shares[patient, -1], 4).tolist(),
                "diseases": [
                    {"disease": disease, "shares": np.round(shares[patient, disease], 4).tolist()}
                    for disease in order.tolist()
                ],
                "samples": [
                    _sample(futures, future, start[patient], int(ages[patient]))
                    for future in np.flatnonzero(futures.patient == patient)[:SAMPLES]
                ],
            }
        )
    return found


def _sample(futures: Futures, future: int, start: int, age: int) -> list[dict[str, Any]]:
    """Return the visits of a future, and death, with ages in months."""

    def months(day: float) -> int:
        return age + int((day - start) * 12 / DAYS_A_YEAR)

    own = futures.row == future
    visits = [
        {"age": months(day), "diseases": futures.disease[own & (futures.day == day)].tolist()}
        for day in np.unique(futures.day[own])
    ]
    if np.isfinite(futures.death[future]):
        visits.append({"age": months(futures.death[future]), "diseases": None})
    return visits


def _patient(history: History) -> dict[str, Any]:
    tokens = history.words.tokens.tolist()
    return {
        "sex": _SEXES[history.sex],
        "words": [
            {
                "disease": token - FIRST_DISEASE if token >= FIRST_DISEASE else None,
                "special": SPECIAL[token] if token < FIRST_DISEASE else None,
                "age": age,
                "visit": visit,
            }
            for token, age, visit in zip(
                tokens, history.words.ages.tolist(), history.words.visits.tolist(), strict=True
            )
        ],
        "read": history.read,
        "attention": packed(history.attention),
        "predictions": [
            {
                "disease": prediction.disease,
                "risk": round(prediction.risk, 6),
                "known": prediction.known,
                "observed": prediction.observed,
                "contributions": np.round(prediction.contributions, 4).tolist(),
            }
            for prediction in history.predictions
        ],
    }


def _diseases_of(future: dict[str, Any] | None) -> list[int]:
    """Return the diseases that the page shows of a patient's futures."""
    if future is None:
        return []
    visits = [visit for sample in future["samples"] for visit in sample]
    recorded = [disease for visit in visits for disease in visit["diseases"] or []]
    return [*recorded, *(one["disease"] for one in future["diseases"])]


def page(
    histories: Sequence[History],
    vocabulary: Vocabulary,
    averages: Sequence[float | None],
    facts: dict[str, Any],
    futures: Sequence[dict[str, Any]] | None = None,
) -> str:
    """Return the page, which loads nothing from a network.

    Args:
        histories: of simulated patients; ids are not shown.
        vocabulary: names and chapters.
        averages: by disease, its rough share among the tuning patients' outcomes
            (`Rules.coarse_share`), None where it is not shown.
        facts: of the run: run, model, readout, task, window, protocol, seed;
            diagnoses (fewest, most) and most_visits of the patients; steps of the integrated
            gradients; tuning_patients, slope and spread of the recalibration; with futures,
            foreseeing, the model that they are sampled from.
        futures: of each patient, as `future_data` returns them; None shows none.
    """
    sampled: list[dict[str, Any] | None] = [None] * len(histories)
    if futures is not None:
        sampled = list(futures)
    shown = sorted(
        {
            word
            for history, future in zip(histories, sampled, strict=True)
            for word in (
                *(history.words.tokens[history.words.tokens >= FIRST_DISEASE] - FIRST_DISEASE),
                *(prediction.disease for prediction in history.predictions),
                *_diseases_of(future),
            )
        }
    )
    concepts = [
        concept.capitalize()
        for concept, number in vocabulary.concepts.items()
        for _ in range(number)
    ]
    chapters = [*vocabulary.chapters, *concepts]
    marks = chapter_marks(vocabulary.chapters) | chapter_marks(concepts)
    layers, heads = histories[0].attention.shape[:2]
    data = {
        "layers": layers,
        "heads": heads,
        "facts": facts,
        "diseases": {
            str(word): {
                "name": vocabulary.names[word].replace("_", ": "),
                "chapter": chapters[word],
                "average": averages[word] if word < len(averages) else None,
            }
            for word in shown
        },
        "chapters": {
            chapter: {"colour": mark.colour, "marker": mark.marker}
            for chapter, mark in marks.items()
        },
        "patients": [
            _patient(history) | ({"future": future} if future else {})
            for history, future in zip(histories, sampled, strict=True)
        ],
    }
    environment = Environment(
        loader=PackageLoader("behrt.figures", "pages"),
        autoescape=True,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    return environment.get_template("explorer.html").render(data=data, facts=facts)
