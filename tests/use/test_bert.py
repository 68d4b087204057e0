"""The exported encoder against an independent implementation of BERT."""

import json

import pytest
import torch
from pytorch_pretrained_bert import BertConfig, BertModel
from safetensors.torch import load_file

from behrt.models import behrt
from behrt.sequences.vocabulary import CLS, FIRST_DISEASE, MASK, SEP

from .conftest import Make


@pytest.mark.parametrize(
    "settings", [{"readout": "cls"}, {"readout": "mask", "age": False, "segment": False}]
)
def test_the_exported_encoder_is_a_bert(trained: Make, settings: dict[str, object]) -> None:
    folder = trained("behrt", max_length=20, **settings)
    given = json.loads((folder / "bert" / "config.json").read_text())
    names = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
    names += ("max_position_embeddings", "type_vocab_size", "hidden_act")
    bert = BertModel(BertConfig(given["vocab_size"], **{name: given[name] for name in names}))
    weights = load_file(folder / "bert" / "model.safetensors")
    missing, unexpected = bert.load_state_dict(weights, strict=False)
    assert unexpected == []
    pooled = settings["readout"] == "cls"
    assert missing == ([] if pooled else ["pooler.dense.weight", "pooler.dense.bias"])
    bert.eval()

    tokens = torch.tensor([[CLS, FIRST_DISEASE + 3, SEP, FIRST_DISEASE + 7, SEP, MASK, SEP]])
    ages = torch.tensor([[600, 600, 600, 640, 640, 640, 640]])
    visits = torch.tensor([[0, 0, 0, 1, 1, 2, 2]])
    model, _ = behrt.load(folder)
    patients = torch.zeros_like(tokens)
    with torch.no_grad():
        ours = model.encoder(tokens, ages, visits, patients, torch.arange(7))
        table = load_file(folder / "bert" / "ages.safetensors")["age_embeddings.weight"]
        embeddings = bert.embeddings
        words = embeddings.word_embeddings(tokens) + table[ages]
        total = (
            words
            + embeddings.position_embeddings(visits)
            + embeddings.token_type_embeddings(visits % 2)
        )
        hidden = embeddings.LayerNorm(total)
        theirs = bert.encoder(hidden, torch.zeros(1, 1, 1, 7), output_all_encoded_layers=False)[-1]
        assert torch.allclose(ours, theirs[0], atol=1e-6)
        if pooled:
            assert torch.allclose(torch.tanh(model.head.pooler(ours[:1])), bert.pooler(theirs))
