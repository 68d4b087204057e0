"""What the rules of outcomes look up: definitions, files with stays in hospital, models."""

OUTCOMES = {name: outcome for name, outcome in config["outcomes"].items() if outcome}

# The delivered files that hold stays in hospital.
if CPRD:
    HOSPITAL_PARTS = {
        part: PARTS[source_table, part]
        for source_table, part in PARTS
        if source_table == "hes_hospital" and source_table in NEEDED
    }
else:
    HOSPITAL_PARTS = {
        part: IMPORTED[table, part]
        for table, part in IMPORTED
        if table in ("data", "visit_occurrence")
    }

HOSPITAL = dict(
    records="<results>/admissions/parts/{part}.parquet",
    manifest="<results>/admissions/parts/{part}.json",
)


OUTCOME_MODELS = outcome_models_of(config)
# Those of the table of few labels, which also shows what they learn from all.
FEW_LABEL_MODELS = outcome_models_of(config, few_labels=True)
ALL_LABELS = "all"
ALL_LABELS_OF_MORE = "all_of_more_models"
FEW_LABELS = [str(number) for number in config["evaluation"]["few_labels"]]


def label_sources(wildcards):
    """Return what the labels of an outcome are made from, in addition to the sequences."""
    outcome = OUTCOMES[wildcards.outcome]
    if outcome["labels"]:
        return {"given": outcome["labels"]}
    found = {"events": expand("<results>/meds/data/{shard}.parquet", shard=SHARDS)}
    if reads_admissions(config, wildcards.outcome, bool(HOSPITAL_PARTS)):
        found["stays"] = expand("<results>/admissions/{shard}.parquet", shard=SHARDS)
    return found


def discharges(wildcards):
    """Return the stays in hospital, as an input, if predictions are made at discharges."""
    if OUTCOMES[wildcards.outcome]["index"] != "discharge":
        return {}
    return {"stays": expand("<results>/admissions/{shard}.parquet", shard=SHARDS)}


def outcome_ceiling(wildcards):
    """Return the true risks of an outcome, as an input, beside models of all labels."""
    given = OUTCOMES[wildcards.outcome]["labels"]
    known = SIMULATED and not given and wildcards.number == ALL_LABELS
    path = f"<results>/outcomes/{wildcards.outcome}/predictions/oracle.parquet"
    return {"oracle": path} if known else {}


def includes_the_day(outcome):
    """Return whether the records of the day of a prediction are part of the input."""
    given = OUTCOMES[outcome]["records_of_the_day"]
    return config["source"] != "meds" if given is None else given


def labels_learned(wildcards):
    """Return the most labels that a model learns from; None for all."""
    most = [OUTCOMES[wildcards.outcome]["training_labels"]]
    if wildcards.number != ALL_LABELS:
        most.append(int(wildcards.number))
    return min((number for number in most if number is not None), default=None)


def outcome_predictions(wildcards):
    """Return the predictions that are assessed together."""
    several = wildcards.number != ALL_LABELS
    number = ALL_LABELS if wildcards.number == ALL_LABELS_OF_MORE else wildcards.number
    return expand(
        f"<results>/outcomes/{wildcards.outcome}/predictions/{number}/{{model}}.parquet",
        model=FEW_LABEL_MODELS if several else OUTCOME_MODELS,
    )


def outcome_start(wildcards):
    """Return the weights that a model of an outcome starts from, as an input; {} for none."""
    trained = starts_from(wildcards.model)
    if trained is None:
        return {}
    return {"pretrained": f"<results>/models/{trained}/model.safetensors"}


def outcome_searches(wildcards):
    """Return the searches whose values the training of a model uses."""
    return chosen_values(wildcards.model) if wildcards.model in EVERY_MODEL else []


def outcome_compute(wildcards):
    """Return how a model of an outcome is trained; only BEHRT uses the accelerator."""
    model = (
        "mlm" if FEW_LABEL_MODELS[wildcards.model]["kind"] == "behrt" else "prevalence"
    )
    return compute_for(config, model)
