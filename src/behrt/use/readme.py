"""The README of a trained folder."""

from pathlib import Path

from behrt.sequences.vocabulary import FIRST_DISEASE, SPECIAL
from behrt.use.description import Description

_LABELLED = """The patients that it was trained and recalibrated on have at least one disease in the
  window, so the risks are not those of a population."""
_ELIGIBLE = "They are those of all eligible patients, with and without a disease in the window."


def readme(description: Description) -> str:
    """Return the README of a trained folder, in Markdown."""
    name = "readme.md" if description.task else "readme_pretrained.md"
    if description.outcome:
        name = "readme_outcome.md"
    text = Path(__file__).with_name(name).read_text(encoding="utf-8")
    simulated = "The patients are simulated: the risks mean nothing for real patients."
    filled = text.format(
        model=description.model,
        kind=description.kind,
        outcome=description.outcome,
        run=description.run,
        data="simulated" if description.data == "simulated" else description.data.upper(),
        protocol=description.protocol,
        window=description.task.window if description.task else "",
        vocabulary=description.vocabulary,
        special=", ".join(SPECIAL),
        first=FIRST_DISEASE,
        population=_LABELLED if description.task and description.task.labelled else _ELIGIBLE,
        minimum_visits=description.minimum_visits,
        simulated=simulated if description.data == "simulated" else "",
    )
    return filled.rstrip() + "\n"
