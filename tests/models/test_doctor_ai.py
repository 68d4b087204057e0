"""Doctor AI against torch's GRU on each history alone."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from behrt.errors import InputError
from behrt.learning.examples import Examples
from behrt.learning.run import read_settings
from behrt.models.doctor_ai import DoctorAI, Settings, collate


def test_equals_gated_units_on_each_history(
    build_examples: Callable[..., Examples], draw_patients: Callable[..., list]
) -> None:
    examples = build_examples(draw_patients(12, 1))
    settings = Settings(embedding_size=6, hidden_size=5, layers=2, sex_size=2, dropout=0.0)
    torch.manual_seed(0)
    model = DoctorAI(settings, examples.n_diseases, examples.n_words)
    torch.nn.init.normal_(model.embedding_bias)
    actual = model(**collate(settings, examples, np.arange(12), None))
    for row in range(12):
        days = examples.visit_day[examples.visit_offsets[row] : examples.visit_offsets[row + 1]]
        visits = []
        for visit, gap in enumerate(np.maximum(np.diff(days, prepend=days[0]), 1)):
            place = examples.visit_offsets[row] + visit
            codes = examples.codes[examples.code_offsets[place] : examples.code_offsets[place + 1]]
            total = model.embedding.weight[codes.astype(np.int64)].sum(0) + model.embedding_bias
            time = torch.tensor([gap / 365.25, np.log1p(gap)], dtype=torch.float32)
            visits.append(torch.cat([torch.tanh(total), time]))
        states = torch.stack(visits)
        for reader in model.readers:
            states = reader(states)[0]
        sex = model.sex.weight[int(examples.sex[row])]
        expected = model.classifier(torch.cat([states[-1], sex]))
        torch.testing.assert_close(actual[row], expected, atol=1e-5, rtol=1e-5)


def test_settings_are_strict() -> None:
    for wrong in ({"layers": 0}, {"hidden_size": "8"}, {"dropout": 1.0}):
        with pytest.raises(InputError):
            read_settings(Settings, wrong)
