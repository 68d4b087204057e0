"""The encoder of a BEHRT as a `BertModel` of Hugging Face's transformers, and its position table.

BERT adds the embeddings of a word, its position and its token type; BEHRT adds that of the age. So
a `BertModel` computes what BEHRT's encoder does, if it gets the sum of word and age as
`inputs_embeds`, the index of the visit as `position_ids` and its parity as `token_type_ids`:

    words = bert.embeddings.word_embeddings(tokens) + ages[age_in_months]
    bert(inputs_embeds=words, position_ids=visits, token_type_ids=visits % 2)

`ages` is the tensor `age_embeddings.weight` of `ages.safetensors`. An embedding that a model is
without (`age`, `segment` or `position` is false) is zero. If BEHRT reads other words than
diagnoses, `word_embeddings` has the sum of the embeddings of a word and of its type.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from behrt.files import atomic, write_json
from behrt.learning.artefacts import WEIGHTS, read_config, read_weights
from behrt.learning.words import AGES
from behrt.sequences.vocabulary import PAD
from behrt.settings.behrt import Settings, Sizes

FOLDER = "bert"
AGE_TABLE = "age_embeddings.weight"

_OF_LAYER = {
    "attention_output": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "inner": "intermediate.dense",
    "outer": "output.dense",
    "norm": "output.LayerNorm",
}


def position_table(max_length: int, hidden: int) -> np.ndarray:
    """Return float32 (max_length, hidden), which BEHRT adds by the index of the visit.

    It is not among the weights, because it is not trained.
    """
    from behrt.learning.encoder import embedded_positions  # imports torch

    table: np.ndarray = embedded_positions(max_length, hidden).numpy()
    return table


def bert_weights(
    weights: Mapping[str, np.ndarray], settings: Sizes, types: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """Return the weights of a BEHRT by the names that a `BertModel` has for them.

    The pooling layer of the read-out `cls` is among them. The other parts of the heads have no
    counterpart in a `BertModel`.

    Args:
        weights: of a model of kind `behrt`.
        settings: the same model's.
        types: int64 (tokens), the type of each, as `behrt.learning.encoder.token_types` returns
            them, if the model has an embedding of types.
    """
    words = weights["encoder.words.weight"]
    if types is not None:
        words = words + weights["encoder.types.weight"][types]
    positions = position_table(settings.max_length, settings.hidden)
    found = {
        "embeddings.word_embeddings.weight": words,
        "embeddings.token_type_embeddings.weight": weights.get(
            "encoder.segments.weight", np.zeros((2, settings.hidden), dtype=np.float32)
        ),
        "embeddings.position_embeddings.weight": positions * settings.position,
    }
    for end in ("weight", "bias"):
        found[f"embeddings.LayerNorm.{end}"] = weights[f"encoder.norm.{end}"]
        if f"head.pooler.{end}" in weights:
            found[f"pooler.dense.{end}"] = weights[f"head.pooler.{end}"]
        for layer in range(settings.layers):
            own, its = f"encoder.layers.{layer}", f"encoder.layer.{layer}"
            joined = np.split(weights[f"{own}.query_key_value.{end}"], 3)
            for part, values in zip(("query", "key", "value"), joined, strict=True):
                found[f"{its}.attention.self.{part}.{end}"] = values
            for name, theirs in _OF_LAYER.items():
                found[f"{its}.{theirs}.{end}"] = weights[f"{own}.{name}.{end}"]
    return found


def write_bert(model: Path, folder: Path) -> None:
    """Write `bert/` into a folder: config.json, model.safetensors and ages.safetensors.

    Args:
        model: the folder of a trained model of kind `behrt`.
        folder: of which `bert/` is made.
    """
    from behrt.learning.encoder import token_types  # imports torch

    read, weights = read_config(model), read_weights(model)
    settings, concepts = Settings(**read["settings"]), read.get("concepts")
    types = token_types(read["n_diseases"], concepts) if concepts else None
    found = bert_weights(weights, settings, types)
    ages = weights.get("encoder.ages.weight", np.zeros((AGES, settings.hidden), dtype=np.float32))
    _write(found, folder / FOLDER / WEIGHTS)
    _write({AGE_TABLE: ages}, folder / FOLDER / "ages.safetensors")
    config = {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "vocab_size": len(weights["encoder.words.weight"]),
        "hidden_size": settings.hidden,
        "num_hidden_layers": settings.layers,
        "num_attention_heads": settings.heads,
        "intermediate_size": settings.intermediate,
        "hidden_act": "gelu",
        "hidden_dropout_prob": settings.hidden_dropout,
        "attention_probs_dropout_prob": settings.attention_dropout,
        "max_position_embeddings": settings.max_length,
        "type_vocab_size": 2,
        "layer_norm_eps": 1e-12,
        "pad_token_id": PAD,
    }
    write_json(config, folder / FOLDER / "config.json")


def _write(tensors: Mapping[str, np.ndarray], path: Path) -> None:
    contents = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    with atomic(path) as temporary:
        temporary.write_bytes(save(contents, metadata={"format": "pt"}))
