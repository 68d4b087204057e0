"""The explorer: one self-contained HTML page of a BEHRT's inputs, attention and predictions."""

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from behrt.figures.style import chapter_marks
from behrt.interpretation.predictions import History
from behrt.sequences.vocabulary import FIRST_DISEASE, SPECIAL, Vocabulary

_SEXES = ("person", "man", "woman")


def packed(attention: np.ndarray) -> str:
    """Return weights in [0, 1] as base64 of one byte each: 255 times the square root, rounded.

    The root keeps small weights distinct; the error of a weight w is at most about √w / 255.
    """
    return base64.b64encode(np.rint(255 * np.sqrt(attention)).astype(np.uint8).tobytes()).decode()


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


def page(
    histories: Sequence[History],
    vocabulary: Vocabulary,
    averages: Sequence[float | None],
    facts: dict[str, Any],
) -> str:
    """Return the page, which loads nothing from a network.

    Args:
        histories: of simulated patients; ids are not shown.
        vocabulary: names and chapters.
        averages: by disease, its rough share among the tuning patients' outcomes
            (`Rules.coarse_share`), None where it is not shown.
        facts: of the run: run, model, readout, task, window, protocol, seed;
            diagnoses (fewest, most) and most_visits of the patients; steps of the integrated
            gradients; tuning_patients, slope and spread of the recalibration.
    """
    shown = sorted(
        {
            disease
            for history in histories
            for disease in (
                *(history.words.tokens[history.words.tokens >= FIRST_DISEASE] - FIRST_DISEASE),
                *(prediction.disease for prediction in history.predictions),
            )
        }
    )
    marks = chapter_marks(vocabulary.chapters)
    layers, heads = histories[0].attention.shape[:2]
    data = {
        "layers": layers,
        "heads": heads,
        "facts": facts,
        "diseases": {
            str(disease): {
                "name": vocabulary.phenotypes[disease].replace("_", ": "),
                "chapter": vocabulary.chapters[disease],
                "average": averages[disease],
            }
            for disease in shown
        },
        "chapters": {
            chapter: {"colour": mark.colour, "marker": mark.marker}
            for chapter, mark in marks.items()
        },
        "patients": [_patient(history) for history in histories],
    }
    environment = Environment(
        loader=PackageLoader("behrt.figures", "pages"),
        autoescape=True,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    return environment.get_template("explorer.html").render(data=data, facts=facts)
