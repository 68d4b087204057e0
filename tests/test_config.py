"""The configuration: its files, its schema, and the dataclasses that read it, agree."""

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from behrt.configuration import (
    check,
    cut_off_of,
    disclosure_of,
    every_model_of,
    models_of,
    options_for,
    search_for,
    searches_of,
    settings_for,
    training_for,
)
from behrt.cprd.cohort import CohortRules
from behrt.cprd.databases import DATABASES, GOLD
from behrt.cprd.values import DATE_FORMATS, ENCODINGS, YEAR_OFFSETS, Options
from behrt.disclosure import STYLES
from behrt.errors import InputError
from behrt.learning.run import (
    ACCELERATORS,
    PRECISIONS,
    SCHEDULES,
    Optimisation,
    read_settings,
)
from behrt.models import behrt, model_named
from behrt.sequences.split import BY

REPOSITORY = Path(__file__).parents[1]
SCHEMA = REPOSITORY / "workflow" / "schemas" / "config.schema.yaml"
RULES: dict[str, Any] = yaml.safe_load(SCHEMA.read_text())
KINDS = sorted(
    path.stem
    for path in Path(behrt.__file__).parent.glob("[a-z]*.py")
    if path.stem not in ("prevalence", "history")  # nothing of theirs is said in a configuration
)


def merged(*names: str) -> dict[str, Any]:
    """Return the default configuration with others on top, as Snakemake's --configfile does."""

    def update(base: dict[str, Any], other: dict[str, Any]) -> None:
        for key, value in other.items():
            if isinstance(value, dict) and isinstance(base.get(key), dict):
                update(base[key], value)
            else:
                base[key] = value

    config: dict[str, Any] = {}
    for name in ("config", *names):
        update(config, yaml.safe_load((REPOSITORY / "config" / f"{name}.yaml").read_text()))
    return config


def schemas(schema: dict[str, Any], where: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every property of the schema with its path."""
    for key, inner in schema.get("properties", {}).items():
        yield f"{where}.{key}", inner
        yield from schemas(inner, f"{where}.{key}")


def properties(*path: str) -> dict[str, Any]:
    schema = RULES
    for key in path:
        schema = schema["properties"][key]
    found: dict[str, Any] = schema["properties"]
    return found


def definition(name: str) -> dict[str, Any]:
    found: dict[str, Any] = RULES["$defs"][name]["properties"]
    return found


@pytest.mark.parametrize(
    "names",
    [(), ("test",), ("cprd",), ("paper",), ("cprd", "paper"), ("meds",), ("omop",)],
    ids="+".join,
)
def test_the_files_of_the_repository_are_allowed(names: tuple[str, ...]) -> None:
    check(merged(*names), SCHEMA)


def test_the_schema_is_strict_and_describes_every_key() -> None:
    jsonschema.Draft202012Validator.check_schema(RULES)
    parts = [("", RULES), *((f"$defs.{name}", part) for name, part in RULES["$defs"].items())]
    for start, part in parts:
        for where, schema in schemas(part, start):
            described = schema
            if "$ref" in schema:
                described = RULES["$defs"][schema["$ref"].rsplit("/", 1)[1]] | schema
            assert "description" in described or ".tasks." in where or "T" in where, where
            if "properties" in schema:
                others = schema.get("additionalProperties")
                assert others is False or "$ref" in others, where


@pytest.mark.parametrize(
    ("keys", "dataclass"),
    [
        (definition("training"), Optimisation),
        *((definition(kind), model_named(kind).Settings) for kind in KINDS),
        (properties("pretrain", "masking"), behrt.Masking),
        (properties("cohort"), CohortRules),
        ({k: v for k, v in properties("extract").items() if k != "maximum_refused"}, Options),
    ],
    ids=["training", *KINDS, "masking", "cohort", "extract"],
)
def test_the_schema_has_the_keys_that_the_code_reads(keys: dict[str, Any], dataclass: Any) -> None:
    assert set(keys) == {field.name for field in fields(dataclass)}


def test_the_schema_offers_the_choices_that_the_code_knows() -> None:
    assert RULES["$defs"]["table"]["enum"] == list(
        dict.fromkeys(name for database in DATABASES.values() for name in database.source_tables)
    )
    assert properties()["database"]["enum"] == list(DATABASES)
    assert RULES["$defs"]["date_format"]["enum"] == list(DATE_FORMATS)
    assert properties("extract")["encoding"]["enum"] == [*ENCODINGS, None]
    assert properties("extract")["year_format"]["enum"] == [*YEAR_OFFSETS, None]
    assert properties("split")["by"]["enum"] == list(BY)
    assert set(properties()["precision"]["enum"]) == set(PRECISIONS)
    assert set(properties()["accelerator"]["enum"]) == set(ACCELERATORS)
    assert set(definition("training")["schedule"]["enum"]) == set(SCHEDULES)
    assert set(definition("behrt")["readout"]["enum"]) == set(behrt.READOUTS)
    assert set(properties("disclosure")["style"]["enum"]) == set(STYLES)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"style": "cprd", "threshold": None, "rounding": None}, (5, 1)),
        ({"style": "hes", "threshold": None, "rounding": None}, (8, 5)),
        ({"style": "hes", "threshold": 10, "rounding": 1}, (10, 1)),
    ],
)
def test_a_style_can_be_made_stricter(given: dict[str, Any], expected: tuple[int, int]) -> None:
    found = disclosure_of({"disclosure": given})
    assert (found["threshold"], found["rounding"]) == expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sead": 1}, r"config, top level: there is no key 'sead'\. Did you mean 'seed'\."),
        (
            {"models": {"behrt": {"training": {"epchs": 3}}}},
            r"config, models\.behrt\.training: there is no key 'epchs'\. Did you mean 'epochs'\.",
        ),
        (
            {"models": {"behrt": {"settings": {"head": 3}}}},
            r"config, models\.behrt\.settings: there is no key 'head'\. Did you mean 'heads'\.",
        ),
        (
            {"models": {"deepr": {"settings": {"filter": 3}}}},
            r"config, models\.deepr\.settings: there is no key 'filter'\. Did you mean 'filters'\.",
        ),
        (
            {"models": {"retain": {"tasks": {"T2": {"settings": {"hidden": 3}}}}}},
            r"config, models\.retain\.tasks\.T2\.settings: there is no key 'hidden'\. Did you mean",
        ),
        ({"shards": "four"}, r"config, shards: 'four' is not of type 'integer'\. It is: "),
        ({"split": 3}, r"config, split: 3 is not of type 'object'"),
        ({"split": {"held_out": 1.2}}, r"config, split\.held_out: 1\.2 is greater than or equal"),
        (
            {"source": "gold"},
            r"config, source: 'gold' is not one of \['simulated', 'cprd', 'meds', 'omop'\]",
        ),
        ({"source": "cprd", "caliber": "x"}, r"config, top level: 'delivery' is a required"),
        (
            {"source": "cprd", "caliber": "x", "delivery": {"folder": None}},
            r"config, delivery\.folder: None is not of type 'string'",
        ),
        ({"source": "meds"}, r"config, top level: 'meds' is a required property"),
        ({"source": "omop", "omop": {}}, r"config, omop: 'folder' is a required property"),
        (
            {"meds": {"systems": [{"prefix": "ICD10", "system": "icd"}]}},
            r"config, meds\.systems\.0\.system: 'icd' is not one of",
        ),
        ({"split": {"by": "practise"}}, r"config, split\.by: 'practise' is not one of"),
        ({"split": {"by": "time"}}, r"config, split: 'cut_off' is a required property"),
        (
            {"split": {"by": "time", "cut_off": None}},
            r"config, split\.cut_off: None is not of type",
        ),
        (
            {"split": {"by": "practice"}, "protocol": "paper"},
            r"config, protocol: 'strict' was expected",
        ),
        ({"run": "../elsewhere"}, r"config, run: '\.\./elsewhere' does not match"),
        (
            {"tasks": {"T2_all": {"months": 6}}},
            r"config, tasks: 'T2_all' does not match .*a letter",
        ),
        ({"tasks": {"MLM": {"months": 6}}}, r"config, tasks: 'MLM' does not match"),
        ({"tasks": {"T4": {"months": 0}}}, r"config, tasks\.T4\.months: 0 is less than"),
        ({"tasks": {"T4": {"month": 6}}}, r"config, tasks\.T4: there is no key 'month'"),
        ({"cohort": {"study_start": "1990"}}, r"config, cohort\.study_start: '1990' does not"),
    ],
)
def test_a_mistake_is_named(change: dict[str, Any], message: str) -> None:
    config = merged()
    for key, value in change.items():
        if key == "models":
            for name, model in value.items():
                for section, entries in model.items():
                    config["models"][name].setdefault(section, {}).update(entries)
        else:
            config[key] = value
    with pytest.raises(InputError, match=message):
        check(config, SCHEMA)


def test_a_model_may_be_left_out() -> None:
    config = merged()
    config["models"]["deepr"] = None
    check(config, SCHEMA)


@pytest.mark.parametrize("name", ["prevalence", "history"])
def test_a_trivial_row_cannot_be_left_out(name: str) -> None:
    for model in (None, {"kind": "deepr"}):
        config = merged()
        config["models"][name] = model
        with pytest.raises(InputError, match=rf"config, models\.{name}"):
            check(config, SCHEMA)


def test_the_reference_must_be_one_of_the_models() -> None:
    config = merged() | {"evaluation": {"reference": "deepr"}}
    assert list(models_of(config)) == list(config["models"])
    config["models"]["deepr"] = None
    with pytest.raises(InputError, match=r"config, evaluation\.reference: 'deepr' is not one"):
        models_of(config)


@pytest.mark.parametrize("where", ["settings", "tasks"])
def test_a_pretrained_model_must_have_the_shape_of_what_is_pretrained(where: str) -> None:
    config = merged() | {"evaluation": {"reference": "behrt"}}
    other = {"hidden": 12, "readout": "cls"}
    config["models"]["behrt"][where] = other if where == "settings" else {"T2": {"settings": other}}
    with pytest.raises(InputError, match=r"models\.behrt\.settings\.hidden: it is 12, but"):
        models_of(config)
    config["models"]["behrt"]["pretrained"] = False
    models_of(config)


def test_more_models_follow_those_of_the_tables() -> None:
    config = merged() | {"evaluation": {"reference": "behrt"}}
    config["more_models"]["deepcare"] = None
    more = [name for name in config["more_models"] if name != "deepcare"]
    assert list(every_model_of(config)) == [*config["models"], *more]
    config["more_models"]["retain"] = {"kind": "retain"}
    with pytest.raises(InputError, match=r"config, more_models\.retain: it is one of `models` too"):
        every_model_of(config)


@pytest.mark.parametrize("name", ["config", "test", "paper"])
def test_the_shipped_models_read_their_settings(name: str) -> None:
    config = merged(name) | {"evaluation": {"reference": "behrt"}}
    for model in [*config["models"].values(), *config["more_models"].values()]:
        model.setdefault("settings", {})  # as the schema's default has it
    for model, chosen in every_model_of(config).items():
        for task in ("T1", "T2", "T3"):
            settings = settings_for(config, model, task)
            read_settings(model_named(chosen["kind"]).Settings, settings)


def test_a_split_by_time_has_a_cut_off_and_others_have_none() -> None:
    for by, expected in (("time", "2010-01-01"), ("patient", None), ("practice", None)):
        config = merged() | {"split": {"by": by, "cut_off": "2010-01-01"}}
        check(config, SCHEMA)
        assert cut_off_of(config) == expected


def test_settings_and_training_of_a_task() -> None:
    config = {
        "pretrain": {"settings": {"hidden": 24, "max_length": 64}},
        "evaluation": {"reference": "a"},
        "models": {
            "a": {
                "kind": "behrt",
                "pretrained": True,
                "settings": {"max_length": 100, "readout": "cls"},
                "training": {"epochs": 5, "learning_rate": 0.1},
                "tasks": {"T2": {"settings": {"readout": "mask"}, "training": {"epochs": 7}}},
            },
            "b": {"kind": "retain", "pretrained": False, "settings": {}},
        },
        "more_models": {"c": {"kind": "behrt", "pretrained": False, "settings": {"layers": 2}}},
    }
    assert settings_for(config, "a", "T1") == {"hidden": 24, "max_length": 100, "readout": "cls"}
    assert settings_for(config, "a", "T2") == {"hidden": 24, "max_length": 100, "readout": "mask"}
    assert settings_for(config, "b", "T2") == {}
    assert settings_for(config, "c", "T2") == {"hidden": 24, "max_length": 64, "layers": 2}
    assert training_for(config, "a", "T1") == {"epochs": 5, "learning_rate": 0.1}
    assert training_for(config, "a", "T2") == {"epochs": 7, "learning_rate": 0.1}
    assert training_for(config, "a", "T2_all") == {"epochs": 7, "learning_rate": 0.1}
    assert settings_for(config, "a", "T2_all") == settings_for(config, "a", "T2")
    assert training_for(config, "b", "T2") is None


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("YYYYMMDD", "YYYYMMDD"),
        (None, None),
        ({"clinical": "YYYYMMDD"}, "YYYYMMDD"),
        ({"clinical": {"eventdate": "YYYYMMDD"}}, {"eventdate": "YYYYMMDD"}),
        ({"hes_hospital": "YYYYMMDD"}, None),
    ],
)
def test_a_table_is_read_with_its_own_options(given: Any, expected: Any) -> None:
    config = merged("cprd")
    config["extract"] |= {
        "date_format": given,
        "columns": {"clinical": {"code": "medcode"}, "patient": {"born": "yob"}},
        "blank": ["NULL"],
    }
    check(config, SCHEMA)
    defaults = {key: value["default"] for key, value in properties("extract").items()}
    options = options_for(defaults | config["extract"], "clinical")
    assert options["date_format"] == expected
    assert options["columns"] == {"code": "medcode"}
    assert Options.read(options, GOLD.source_tables["clinical"]).blank == ["NULL"]


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("extract", "date_format", {"hes_hopsital": "YYYYMMDD"}),
        ("extract", "date_format", {"hes_hospital": "MM/DD/YYYY"}),
        ("extract", "columns", {"clinicals": {"code": "medcode"}}),
        ("extract", "encoding", "latin-1"),
        ("extract", "blank", [""]),
        ("delivery", "files", {"patients": "*.txt"}),
        ("delivery", "files", {"patient": []}),
    ],
)
def test_a_mistaken_way_to_read_is_refused(section: str, key: str, value: Any) -> None:
    config = merged("cprd")
    config[section][key] = value
    with pytest.raises(InputError, match=rf"^config, {section}\.{key}"):
        check(config, SCHEMA)


def searching(**spaces: Any) -> dict[str, Any]:
    """Return the shipped configuration with the schema's defaults that a search needs."""
    config = merged() | {"evaluation": {"reference": "behrt"}, "tune": True}
    for model in [*config["models"].values(), *config["more_models"].values()]:
        model.setdefault("settings", {})
    config["search"]["spaces"] |= spaces
    return config


@pytest.mark.parametrize("name", ["config", "test", "paper"])
def test_a_shipped_search_tries_what_its_models_know(name: str) -> None:
    config = searching() | {"search": merged(name)["search"]}
    searches = searches_of(config)
    assert list(searches) == ["mlm", "retain", "deepr"]
    for searched in searches.values():
        known = {field.name for field in fields(model_named(searched["kind"]).Settings)}
        assert set(searched["space"]["settings"]) <= known
        assert set(searched["space"]["training"]) <= {field.name for field in fields(Optimisation)}
        assert searched["training"]["epochs"] == searched["training"]["patience"]


def test_every_behrt_takes_the_shape_that_was_found_for_pretraining() -> None:
    config = searching(deepr=None)
    for model in ("mlm", "behrt", "behrt_mask", "behrt_not_pretrained"):
        assert search_for(config, model) == ["mlm"]
    assert search_for(config, "retain") == ["retain"]
    assert search_for(config, "deepr") == []
    assert search_for(config, "doctor_ai") == []
    assert search_for(config | {"tune": False}, "retain") == []


def test_a_mistaken_search_is_refused() -> None:
    with pytest.raises(InputError, match=r"config, search\.spaces\.reatin: there is no such model"):
        searches_of(searching(reatin={"epochs": 1}))
    for model in ("behrt", "history", "lightgbm"):
        with pytest.raises(InputError, match=rf"spaces\.{model}: this model cannot be searched"):
            searches_of(searching(**{model: {"epochs": 1}}))
    config = searching()
    config["more_models"]["behrt_not_pretrained"]["settings"] = {"layers": 3}
    with pytest.raises(InputError, match=r"spaces\.mlm\.settings\.layers: the model behrt_not"):
        searches_of(config)
    assert "mlm" in searches_of(config | {"tune": False})


def test_a_model_that_is_left_out_is_not_searched() -> None:
    config = searching()
    config["models"]["deepr"] = None
    assert list(searches_of(config)) == ["mlm", "retain"]


@pytest.mark.parametrize(
    ("spaces", "where"),
    [
        ({"mlm": {"epochs": 1, "settings": {"dropout": [0.1]}}}, r"spaces\.mlm"),
        ({"retain": {"settings": {}}}, r"spaces\.retain"),
        ({"retain": {"epochs": 1, "training": {"epochs": [1, 2]}}}, r"spaces\.retain"),
        ({"deepr": {"epochs": 1, "settings": {"dropout": {"low": 0}}}}, r"spaces\.deepr"),
        ({"deepr": {"epochs": 1, "settings": {"filters": []}}}, r"spaces\.deepr"),
    ],
)
def test_a_mistaken_space_is_refused(spaces: dict[str, Any], where: str) -> None:
    config = merged()
    config["search"]["spaces"] = spaces
    with pytest.raises(InputError, match=rf"config, search\.{where}"):
        check(config, SCHEMA)
