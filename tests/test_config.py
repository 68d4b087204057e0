"""The configuration: its files, its schema, and what is refused before anything runs."""

import copy
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import fields
from datetime import date
from pathlib import Path
from typing import Any, get_args

import jsonschema
import pytest
import yaml

from behrt.concepts import INPUTS
from behrt.configuration import (
    compute_for,
    cut_off_of,
    disclosure_of,
    ensembles_of,
    every_model_of,
    gpus_to_train,
    model_folder,
    models_of,
    nodes_to_train,
    options_for,
    read,
    search_for,
    searches_of,
    settings_for,
    training_for,
)
from behrt.cprd.databases import DATABASES, GOLD
from behrt.cprd.values import DATE_FORMATS, ENCODINGS, YEAR_OFFSETS, Options
from behrt.disclosure import STYLES
from behrt.errors import InputError
from behrt.kinds import Kinds
from behrt.learning.run import Compute, read_settings
from behrt.models import kinds, model_named
from behrt.schema import as_yaml, schema_of
from behrt.sequences.split import BY
from behrt.settings import delivery
from behrt.settings.concepts import Input
from behrt.settings.delivery import Extract
from behrt.settings.evaluation import Disclosure, Split
from behrt.settings.training import Optimisation

REPOSITORY = Path(__file__).parents[1]
SCHEMA = REPOSITORY / "workflow" / "schemas" / "config.schema.yaml"
RULES: dict[str, Any] = yaml.safe_load(SCHEMA.read_text())
TRAINING = {"epochs": 1, "batch_size": 1, "learning_rate": 0.1}


def update(base: dict[str, Any], other: Mapping[str, Any]) -> None:
    for key, value in other.items():
        if isinstance(value, dict) and isinstance(base.get(key), dict):
            update(base[key], value)
        else:
            base[key] = value


def merged(*names: str) -> dict[str, Any]:
    """Return the default configuration with others on top, as Snakemake's --configfile does."""

    config: dict[str, Any] = {}
    for name in ("config", *names):
        update(config, yaml.safe_load((REPOSITORY / "config" / f"{name}.yaml").read_text()))
    return config


def with_change(change: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Return a configuration of the repository with a change, as a file on top would make it."""
    config = merged(*names)
    update(config, copy.deepcopy(change))
    return config


@pytest.mark.parametrize(
    "names",
    [(), ("test",), ("cprd",), ("aurum",), ("paper",), ("cprd", "paper"), ("meds",), ("omop",)],
    ids="+".join,
)
def test_the_files_of_the_repository_are_allowed(names: tuple[str, ...]) -> None:
    config = merged(*names)
    filled = read(config, SCHEMA)
    assert read(filled, SCHEMA) == filled
    jsonschema.validate(config, RULES)


def test_the_schema_is_current() -> None:
    """Write it with `python -m behrt.schema`. A new kind of model may be added to it later."""
    known = [name for name in kinds() if name in RULES["$defs"]]
    assert as_yaml(schema_of(known)) == SCHEMA.read_text(encoding="utf-8")


def test_every_key_has_a_description() -> None:
    def described(schema: Any, where: str) -> None:
        if isinstance(schema, dict):
            for key, inner in schema.get("properties", {}).items():
                assert "description" in inner or "$ref" in inner or where.endswith("then"), key
            for key, inner in schema.items():
                described(inner, f"{where}.{key}")

    jsonschema.Draft202012Validator.check_schema(RULES)
    described(RULES, "")


def test_the_settings_offer_the_choices_that_the_code_knows() -> None:
    names = (name for database in DATABASES.values() for name in database.source_tables)
    for choices, known in (
        (delivery.Table, dict.fromkeys(names)),
        (delivery.Database, DATABASES),
        (delivery.DateFormat, DATE_FORMATS),
        (delivery.Encoding, ENCODINGS),
        (delivery.YearFormat, YEAR_OFFSETS),
        (Input, INPUTS),
    ):
        assert set(get_args(choices)) == set(known)
    assert set(BY) <= {
        choice
        for part in get_args(Split.model_fields["by"].annotation)
        for choice in get_args(part)
    }
    assert set(get_args(Disclosure.model_fields["style"].annotation)) == set(STYLES)
    read_as = {field.name for field in fields(Options)}
    assert set(Extract.model_fields) - {"maximum_refused", "megabytes_per_job"} == read_as


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


def test_the_order_of_inputs_changes_nothing() -> None:
    given = {"inputs": ["tests", "diagnoses"]}
    assert read(with_change(given), SCHEMA)["inputs"] == ["diagnoses", "tests"]


BY_TIME = {"by": "time", "cut_off": "2010-01-01"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sead": 1}, r"top level: there is no key 'sead'. Did you mean 'seed'"),
        (
            {"models": {"behrt": {"training": {"epchs": 3}}}},
            r"models.behrt.training: there is no key 'epchs'. Did you mean 'epochs'",
        ),
        (
            {"models": {"behrt": {"settings": {"head": 3}}}},
            r"models.behrt.settings: there is no key 'head'. Did you mean 'heads'",
        ),
        (
            {"models": {"deepr": {"settings": {"filter": 3}}}},
            r"models.deepr.settings: there is no key 'filter'. Did you mean 'filters'",
        ),
        (
            {"models": {"retain": {"tasks": {"T2": {"settings": {"hidden": 3}}}}}},
            r"models.retain.tasks.T2.settings: there is no key 'hidden'. Did you mean",
        ),
        ({"shards": "four"}, r"shards: it is 'four'. It must be a whole number from 1 to 1000 (N"),
        ({"shards": True}, r"shards: it is True. It must be a whole number"),
        ({"split": 3}, r"split: it is 3. It must be a mapping"),
        ({"split": {"held_out": 1.2}}, r"split.held_out: it is 1.2. It must be a number above 0 a"),
        (
            {"source": "gold"},
            r"source: it is 'gold'. It must be one of simulated, cprd",
        ),
        ({"source": "cprd", "caliber": "x"}, r"delivery.folder: it is missing"),
        ({"source": "cprd", "delivery": {"folder": "x"}}, r"caliber: it is missing"),
        ({"source": "meds"}, r"meds.folder: it is missing"),
        (
            {
                "source": "meds",
                "meds": {"folder": "x"},
                "concepts": {"procedures": {"level": "caliber"}},
            },
            r"concepts.procedures.level: a MEDS dataset's procedures are its own codes",
        ),
        (
            {
                "source": "meds",
                "meds": {"folder": "x"},
                "concepts": {"medications": {"level": "chapter"}},
            },
            r"concepts.medications.level: a MEDS dataset's medications are its own codes",
        ),
        ({"source": "omop", "omop": {}}, r"omop.folder: it is missing"),
        (
            {"meds": {"systems": [{"prefix": "ICD10", "system": "icd"}]}},
            r"meds.systems.0.system: it is 'icd'. It must be one of icd10, icd9cm, read, s",
        ),
        ({"split": {"by": "practise"}}, r"split.by: it is 'practise'. It must be one of"),
        ({"split": {"by": "time"}}, r"split.cut_off: it is missing"),
        ({"split": {"by": "practice"}, "protocol": "paper"}, r"protocol: it is paper, which"),
        ({"run": "../elsewhere"}, r"run: it is '../elsewhere'. It must be text like 'my_run-1'"),
        ({"tasks": {"T2_all": {"months": 6}}}, r"tasks: the name 'T2_all' is not allowed"),
        ({"tasks": {"MLM": {"months": 6}}}, r"tasks.MLM: the name MLM is reserved"),
        ({"tasks": {"T4": {"months": 0}}}, r"tasks.T4.months: it is 0. It must be a whole number"),
        ({"tasks": {"T4": {"month": 6}}}, r"tasks.T4: there is no key 'month'. Did you mean"),
        ({"tasks": {"T4": "next_vist"}}, r"tasks.T4: it is 'next_vist'"),
        ({"cohort": {"study_start": "1990"}}, r"cohort.study_start: it is '1990'. It must be text"),
        ({"cohort": {"study_start": 19900101}}, r"cohort.study_start: it is 19900101. It must be"),
        ({"cohort": {"visits": "some"}}, r"cohort.visits: it is 'some'. It must be one of all, d"),
        ({"pretrain": {"training": None}}, r"pretrain.training: it is None"),
        ({"models": {"mine": {"pretrained": "mlm"}}}, r"models.mine: the key 'kind' is missing"),
        (
            {"models": {"behrt": {"pretrained": True}}},
            r"models.behrt.pretrained: it is True. It must be one of mlm, forecast, false",
        ),
        (
            {"models": {"behrt": {"pretrained": "forcast"}}},
            r"models.behrt.pretrained: it is 'forcast'. It must be one of mlm, forecast, false. ",
        ),
        ({"models": {"Deepr 2": {"kind": "deepr"}}}, r"models: the name 'Deepr 2' is not allowed"),
        ({"models": {"oracle": {"kind": "deepr"}}}, r"models.oracle: the true risks have this"),
        (
            {"more_models": {"oracle_records": {"kind": "deepr"}}},
            r"more_models.oracle_records: the true risks have this",
        ),
        ({"models": {"prevalence": None}}, r"models.prevalence: it is a row of every table"),
        ({"models": {"history": {"kind": "deepr"}}}, r"models.history: its kind is deepr"),
        (
            {"models": {"deepr": {"training": {"learning_rate": "1e-3"}}}},
            r"models.deepr.training.learning_rate: it is '1e-3'. It must be a number above 0. YAML",
        ),
        # What would otherwise stop a stage, or mean something else than it says.
        (
            {"pretrain": {"settings": {"heads": 5}}},
            r"pretrain.settings.hidden: it is 144, which is not a multiple of heads (5)",
        ),
        (
            {"more_models": {"behrt_not_pretrained": {"settings": {"hidden": 50}}}},
            r"more_models.behrt_not_pretrained.settings.hidden: it is 50, which is not a multiple",
        ),
        (
            {"cohort": {"study_start": "2001-01-01", "study_end": "2000-01-01"}},
            r"cohort.study_start: it is after study_end",
        ),
        (
            {"cohort": {"hes_start": "2001-01-01", "hes_end": "2000-01-01"}},
            r"cohort.hes_start: it is after hes_end",
        ),
        ({"cohort": {"hes_end": "2001-02-31"}}, r"cohort.hes_end: there is no day 2001-02-31"),
        ({"split": {"held_out": 0.6, "tuning": 0.4}}, r"split: held_out and tuning add up to 1"),
        ({"split": BY_TIME | {"cut_off": "1800-01-01"}}, r"split.cut_off: simulated data has no"),
        ({"split": BY_TIME | {"cut_off": "2090-01-01"}}, r"split.cut_off: simulated data has no"),
        ({"split": BY_TIME | {"by": "patient"}}, r"split.cut_off: the split is by patient"),
        (
            {"tasks": {"T2": {"months": 12}}},
            r"tasks.T3: its window of 12 months is not longer than that of T2, 12 months. Give T3",
        ),
        ({"tasks": {"T3": {"months": 3}}}, r"tasks.T3: its window of 3 months is not longer"),
        ({"pretrain": {"masking": {"mask": 1.5}}}, r"pretrain.masking.mask: it is 1.5"),
        (
            {"pretrain": {"masking": {"mask": 0.9, "random": 0.2}}},
            r"pretrain.masking: mask and random add up to 1.1",
        ),
        (
            {"simulation": {"process": {"reviewspacing": 3}}},
            r"simulation.process: there is no key 'reviewspacing'. Did you mean 'review_spacing'",
        ),
        (
            {"simulation": {"process": {"review_spacing": "3"}}},
            r"simulation.process.review_spacing: it is '3'. It must be a number of at least 1. YA",
        ),
        (
            {"simulation": {"flaws": {"duplicates": 0.1}}},
            r"simulation.flaws: there is no key 'duplicates'. Did you mean 'duplicate'",
        ),
        ({"simulation": {"flaws": {"duplicate": 2}}}, r"simulation.flaws.duplicate: it is 2"),
        ({"run": "demo\n"}, r"run: it is 'demo"),
        ({"run": "de\nmo"}, r"run: it is 'de"),
        (
            {"simulation": {"people": 100, "practices": 101}},
            r"simulation.practices: it is 101, but only 100 people are simulated",
        ),
        (
            {"models": {"deepr": {"kind": "depr"}}},
            r"models.deepr.kind: there is no kind 'depr'. Did you mean 'deepr'",
        ),
        ({"models": {"deepr": {"kind": "__init__"}}}, r"models.deepr.kind: there is no kind"),
        ({"models": {"deepr": {"kind": "learning.run"}}}, r"models.deepr.kind: there is no kind"),
        ({"disclosure": {"rounding": 0}}, r"disclosure.rounding: it is 0"),
        ({"disclosure": {"rounding": 2.5}}, r"disclosure.rounding: it is 2.5"),
        ({"disclosure": {"rounding": 1000}}, r"disclosure.rounding: it is 1000"),
        ({"accelerator": "cuda"}, r"accelerator: it is 'cuda'. It must be one of cpu, gpu"),
        (
            {"models": {"lightgbm": {"training": TRAINING}}},
            r"models.lightgbm.training: kind lightgbm is trained by no optimiser",
        ),
        ({"models": {"mine": {"kind": "deepr"}}}, r"models.mine.training: kind deepr needs"),
        ({"models": {"deepr": {"pretrained": "mlm"}}}, r"models.deepr.pretrained: kind deepr cann"),
        ({"models": {"deepr": {"settings": {"filters": 3.0}}}}, r"models.deepr.settings.filters:"),
        ({"models": {"deepr": {"settings": {"widths": [3, 3]}}}}, r"models.deepr.settings.widths:"),
        (
            {"search": {"spaces": {"retain": {"settings": {"dropout": [0.1, 1.5]}}}}},
            r"search.spaces.retain.settings.dropout: it is 1.5",
        ),
        (
            {"search": {"spaces": {"retain": {"settings": {"droput": [0.1]}}}}},
            r"search.spaces.retain.settings: there is no key 'droput'. Did you mean 'dropout'",
        ),
        (
            {"models": {"forecast": {"tasks": {"T2": {"settings": {"layers": 3}}}}}},
            r"models.forecast.tasks: the model is trained once",
        ),
        (
            {"search": {"spaces": {"forecast": {"epochs": 2}}}},
            r"search.spaces.forecast: this model cannot be searched",
        ),
        (
            {"models": {"forecast_all": {"kind": "forecast", "training": TRAINING}}},
            r"models.forecast_all: this name is reserved",
        ),
        ({"models": {"forecast": {"settings": {"hidden": 10}}}}, r"models.forecast.settings"),
        (
            {"models": {"forecast": {"settings": {"hidden": 12, "heads": 4}}}},
            r"models.forecast.settings.rotary: hidden / heads is 3",
        ),
        (
            {"models": {"ensemble": {"settings": {"of": ["forecast", "lightgb"]}}}},
            r"models.ensemble.settings.of: there is no model 'lightgb'. Did you mean 'lightgbm'",
        ),
        (
            {"models": {"lightgbm_times": None}},
            r"models.ensemble.settings.of: the model 'lightgbm_times' is excluded. Give other",
        ),
        (
            {"more_models": {"mean": {"kind": "ensemble", "settings": {"of": ["mean", "retain"]}}}},
            r"more_models.mean.settings.of: 'mean' is itself an ensemble. ",
        ),
        (
            {"models": {"ensemble": {"settings": {"of": ["retain"]}}}},
            r"models.ensemble.settings.of: it is ['retain']",
        ),
        ({"models": {"ensemble": {"cuts": 2}}}, r"models.ensemble.cuts: an ensemble learns from"),
        ({"inputs": ["tests"]}, r"inputs: diagnoses are missing, which every run reads"),
        (
            {"inputs": ["diagnoses", "diagnoses"]},
            r"inputs: it is ['diagnoses', 'diagnoses']. It must be a list of",
        ),
        ({"inputs": ["diagnoses", "test"]}, r"inputs"),
        (
            {
                "inputs": ["diagnoses", "tests"],
                "source": "cprd",
                "database": "aurum",
                "caliber": "lists",
                "delivery": {"folder": "delivery"},
            },
            r"concepts.tests.codes: it is missing. Give a CSV file",
        ),
        (
            {
                "inputs": ["diagnoses", "procedures"],
                "delivery": {"without": ["hes_hospital", "hes_diagnosis_hosp"]},
            },
            r"inputs: procedures are read from HES, which `delivery.without` leaves out",
        ),
        (
            {
                "concepts": {
                    "tests": {"definitions": {"A": {"unit": "g", "lowest": 2, "highest": 1}}}
                }
            },
            r"concepts.tests.definitions.A.lowest: it is not below highest",
        ),
        (
            {"concepts": {"measurements": {"bmi": [25, 20]}}},
            r"concepts.measurements.bmi: it is [25, 20]",
        ),
        (
            {"concepts": {"look_ups": {"UNITS": "units.txt"}}},
            r"concepts.look_ups: there is no 'UNITS'",
        ),
        (
            {"models": {"lightgbm": {"inputs": ["diagnoses", "tests"]}}},
            r"models.lightgbm.inputs: the run does not read tests. Add tests to `inputs`",
        ),
        (
            {"models": {"history": {"inputs": ["diagnoses"]}}},
            r"models.history.inputs: kind history",
        ),
        (
            {
                "inputs": ["diagnoses", "tests"],
                "more_models": {"delphi": {"inputs": ["diagnoses"]}},
            },
            r"more_models.delphi.inputs: kind delphi reads all inputs of the run",
        ),
        ({"outcomes": {"mine": {"months": 6}}}, r"outcomes.mine: it has no event to predict"),
        (
            {"outcomes": {"mine": {"disease": "Gout", "event": "death", "days": 1}}},
            r"outcomes.mine: it has disease and event. Give one",
        ),
        ({"outcomes": {"mine": {"event": "death"}}}, r"outcomes.mine: it has no window"),
        (
            {"outcomes": {"practice_death": {"event": "death", "days": 1}}},
            r"outcomes.practice_death: this name is reserved",
        ),
        (
            {"outcomes": {"mine": {"event": "deaths", "days": 1}}},
            r"outcomes.mine.event: it is 'deaths'. It must be one of death, admission",
        ),
        (
            {"outcomes": {"mine": {"event": "death", "day": 1}}},
            r"outcomes.mine: there is no key 'day'. Did you mean 'days'",
        ),
        (
            {"outcomes": {"mine": {"event": "death", "days": 1, "new": True}}},
            r"outcomes.mine.new: only a disease can be new",
        ),
        (
            {"outcomes": {"mine": {"event": "death", "days": 1, "at_least": 2}}},
            r"outcomes.mine.at_least: only admissions are counted",
        ),
        (
            {"outcomes": {"mine": {"event": "death", "days": 1, "ages": [70, 60]}}},
            r"outcomes.mine.ages: the lowest age is above the highest",
        ),
        (
            {"outcomes": {"mine": {"event": "death", "days": 1, "index": {"date": "2010-02-30"}}}},
            r"outcomes.mine.index.date: there is no day 2010-02-30",
        ),
        (
            {"outcomes": {"mine": {"event": "death", "days": 1, "index": "dischrge"}}},
            r"outcomes.mine.index: it is 'dischrge'",
        ),
        (
            {"outcomes": {"mine": {"labels": "x.csv", "months": 6}}},
            r"outcomes.mine.months: the file of labels decides it",
        ),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_a_mistake_is_refused_in_one_line(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        read(with_change(change), SCHEMA)
    text = str(caught.value)
    assert text.startswith(f"config, {message}"), text
    assert len(text.splitlines()) == 1
    assert len(text) < 300


def test_settings_of_a_kind_that_the_schema_lacks_are_checked_by_its_class(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So a new model needs no change of the schema."""
    monkeypatch.setattr(Kinds, "_described", {})
    read(merged(), SCHEMA)
    with pytest.raises(InputError, match=r"models\.deepr\.settings: there is no key 'filter'"):
        read(with_change({"models": {"deepr": {"settings": {"filter": 3}}}}), SCHEMA)
    with pytest.raises(InputError, match=r"models\.mine\.training: kind retain needs"):
        read(with_change({"models": {"mine": {"kind": "retain"}}}), SCHEMA)


def test_shipped_kinds_are_checked_without_torch() -> None:
    asked = (
        "import sys, yaml; from pathlib import Path; from behrt.configuration import read; "
        "read(yaml.safe_load(Path('config/config.yaml').read_text()), Path(sys.argv[1])); "
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", asked, str(SCHEMA)], cwd=REPOSITORY, check=True)


def test_several_gpus_train_networks_only() -> None:
    gpus = {"accelerator": "gpu", "gpu": {"devices": 4, "nodes": 2}}
    config = read(with_change(gpus), SCHEMA)
    assert (gpus_to_train(config), nodes_to_train(config)) == (8, 2)
    assert compute_for(config, "mlm")["accelerator"] == "gpu"
    counted = Compute(**compute_for(config, "history"))
    assert counted == Compute(config["seed"], precision=config["precision"])
    on_cpu = read(with_change({"gpu": {"devices": 4, "nodes": 2}}), SCHEMA)
    assert (gpus_to_train(on_cpu), nodes_to_train(on_cpu)) == (0, 1)


def test_a_change_of_how_gpus_compute_trains_no_model_again() -> None:
    one = read(with_change({"accelerator": "gpu"}), SCHEMA)
    other = {"devices": 4, "nodes": 2, "at_once": 8, "flex_attention": False, "compile": True}
    several = read(with_change({"accelerator": "gpu", "gpu": other}), SCHEMA)
    assert compute_for(one, "mlm") == compute_for(several, "mlm")  # a param


def test_a_model_may_be_left_out() -> None:
    read(with_change({"models": {"deepr": None}}), SCHEMA)


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
    config = read(merged(name), SCHEMA)
    for model, chosen in every_model_of(config).items():
        for task in ("T1", "T2", "T3"):
            settings = settings_for(config, model, task)
            read_settings(model_named(chosen["kind"]).Settings, settings)


def test_the_members_of_an_ensemble_are_those_of_all_tasks() -> None:
    own = {"T3": {"settings": {"of": ["retain", "forecast"]}}}
    config = read(with_change({"models": {"ensemble": {"tasks": own}}}), SCHEMA)
    assert ensembles_of(config) == {"ensemble": ["forecast", "lightgbm_times", "retain"]}


def test_a_day_may_be_written_without_quotes() -> None:
    """YAML then reads a date."""
    for day in ("2010-01-01", date(2010, 1, 1)):
        config = read(with_change({"cohort": {"study_start": day}}), SCHEMA)
        assert config["cohort"]["study_start"] == "2010-01-01"


def test_a_split_by_time_has_a_cut_off_and_others_have_none() -> None:
    for split, expected in (
        (BY_TIME, "2010-01-01"),
        ({"by": "patient"}, None),
        ({"by": "practice"}, None),
    ):
        assert cut_off_of(read(with_change({"split": split}), SCHEMA)) == expected


def test_settings_and_training_of_a_task() -> None:
    config = {
        "pretrain": {"settings": {"hidden": 24, "max_length": 64}},
        "evaluation": {"reference": "a"},
        "models": {
            "a": {
                "kind": "behrt",
                "pretrained": "mlm",
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
    options = options_for(read(config, SCHEMA)["extract"], "clinical")
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
        read(config, SCHEMA)


def searching(**spaces: Any) -> dict[str, Any]:
    """Return the shipped configuration with the schema's defaults that a search needs."""
    config = read(merged() | {"tune": True}, SCHEMA)
    config["search"]["spaces"] |= spaces
    return config


@pytest.mark.parametrize("name", ["config", "test", "paper"])
def test_a_shipped_search_tries_what_its_models_know(name: str) -> None:
    config = searching() | {"search": read(merged(name), SCHEMA)["search"]}
    searches = searches_of(config)
    assert list(searches) == ["mlm", "retain", "deepr"]
    for searched in searches.values():
        known = set(model_named(searched["kind"]).Settings.model_fields)
        assert set(searched["space"]["settings"]) <= known
        assert set(searched["space"]["training"]) <= set(Optimisation.model_fields)
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
        read(config, SCHEMA)


def test_the_paper_s_preset_holds_sizes_only() -> None:
    preset = yaml.safe_load((REPOSITORY / "config" / "paper.yaml").read_text(encoding="utf-8"))
    assert set(preset) <= {"pretrain", "models", "more_models", "search"}


def test_a_model_is_not_validated_on_the_run_that_trained_it(tmp_path: Path) -> None:
    folder = tmp_path / "results" / "own" / "trained" / "T2" / "behrt"
    folder.mkdir(parents=True)
    (folder / "trained.json").write_text("{}")
    given = {"model": str(folder), "results": str(tmp_path / "results")}
    assert model_folder({**given, "run": "other"}) == folder
    with pytest.raises(InputError, match="it was trained by this run"):
        model_folder({**given, "run": "own"})
