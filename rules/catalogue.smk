"""What the entries of src/behrt/catalogue.toml may name: inputs and settings, and how to look up.

An input is a path or a list of paths; a setting is a value of the configuration. Both may be a
function of the product: those about all eligible patients have tasks of their own.
"""

TABLE, FIGURE, PAGE = (
    {product.name: product for product in PRODUCTS if product.kind == kind}
    for kind in ("table", "figure", "page")
)


def tasks_shown(product):
    """Return the names of the tasks that a product is about."""
    return ON_ALL_ELIGIBLE if product.eligible else TASKS


def task_shown(product):
    """Return the task of a product that shows one."""
    chosen = TASK[SHOWN_TASK]
    if not product.eligible:
        return chosen
    return TASK.get(chosen.on_all_eligible().name, TASK[ON_ALL_ELIGIBLE[0]])


def of_tasks(path):
    """Return a function of the product: the paths of its tasks, and of all models."""
    return lambda product: expand(path, task=tasks_shown(product), model=MODELS)


def training_files(name):
    """Return a file of the pretraining, and of every model on every task."""
    return [
        f"<results>/models/mlm/{name}",
        *expand(
            "<results>/models/{task}/{model}/{name}",
            task=TASKS,
            model=MODELS,
            name=name,
        ),
    ]


INPUTS_FOLDERS = [
    inputs_folder(name, config["inputs"])
    for name in combinations_of_inputs(config["inputs"])
]
INPUTS_YARDSTICKS = ["prevalence", *ORACLE]

# None where a run has no such input.
INPUTS = {
    "flow": "<results>/cohort/flow.parquet",
    "events": expand("<results>/meds/data/{shard}.parquet", shard=SHARDS),
    "sequences": SEQUENCES,
    "vocabulary": "<results>/vocabulary.json",
    "weights": "<results>/models/mlm/model.safetensors",
    "pretraining_config": "<results>/models/mlm/config.json",
    # tasks, predictions and metrics
    "examples": lambda product: [
        f"<results>/tasks/{TASK[task].key}.parquet" for task in tasks_shown(product)
    ],
    "task_examples": f"<results>/tasks/{SHOWN_TASK}.parquet",
    "reference_scores": f"<results>/predictions/{SHOWN_TASK}/{REFERENCE}.parquet",
    "other_scores": expand(
        f"<results>/predictions/{SHOWN_TASK}/{{model}}.parquet", model=YARDSTICKS
    ),
    "scores": expand(
        f"<results>/predictions/{SHOWN_TASK}/{{model}}.parquet", model=MODELS
    ),
    "patient_vectors": expand(
        f"<results>/vectors/{SHOWN_TASK}/{{model}}.parquet",
        model=[name for name in MODELS if name in WITH_VECTORS],
    ),
    "explained_vectors": (
        f"<results>/vectors/{SHOWN_TASK}/{EXPLAINED}.parquet" if EXPLAINED else None
    ),
    "metrics": expand(
        "<results>/evaluation/{task}/{model}.parquet", task=TASKS, model=COMPARED
    ),
    "every_metric": expand(
        "<results>/evaluation/{task}/{model}.parquet",
        task=TASKS,
        model=[*EVERY_MODEL, *ORACLE],
    ),
    "model_metrics": of_tasks("<results>/evaluation/{task}/{model}.parquet"),
    "training_metrics": training_files("metrics.jsonl"),
    "training_configs": training_files("config.json"),
    "averages": of_tasks("<results>/assessment/{task}/averages.parquet"),
    "calibration": of_tasks("<results>/assessment/{task}/calibration.parquet"),
    "reliability": of_tasks("<results>/assessment/{task}/reliability.parquet"),
    "net_benefit": of_tasks("<results>/assessment/{task}/net_benefit.parquet"),
    "burdens": of_tasks("<results>/assessment/{task}/burden.parquet"),
    # expensive analyses
    "ablation_metrics": lambda product: [
        f"<results>/{ablation_folder(embeddings)}evaluation/{task}/{model}.parquet"
        for task in config["ablation"]["tasks"]
        for model in ablated_models(config)
        for embeddings in COMBINATIONS
    ],
    "inputs_metrics": lambda product: [
        f"<results>/{folder}evaluation/{task}/{model}.parquet"
        for task in config["ablation"]["tasks"]
        for model in models_ablated_by_inputs(config)
        for folder in INPUTS_FOLDERS
    ],
    "yardstick_metrics": lambda product: [
        f"<results>/evaluation/{task}/{yardstick}.parquet"
        for task in config["ablation"]["tasks"]
        for yardstick in INPUTS_YARDSTICKS
    ],
    "protocol_metrics": [
        f"<results>/{folder}evaluation/{task}/{REFERENCE}.parquet"
        for task in TASKS
        for folder in PROTOCOL_FOLDERS
    ],
    "protocol_pretraining": [
        f"<results>/{folder}models/mlm/metrics.jsonl" for folder in PROTOCOL_FOLDERS
    ],
    "trials": lambda product: expand(
        TRIAL,
        searched=product.each,
        round=range(config["search"]["rounds"]),
        number=NUMBERS,
    ),
    "search_tables": expand("<results>/tables/search_{name}.csv", name=SEARCHED),
    # single events
    "outcome_manifests": expand(
        "<results>/outcomes/{outcome}/manifest.json", outcome=OUTCOMES
    ),
    **{
        f"outcome_{names}": expand(
            f"<results>/outcomes/{{outcome}}/assessment/{ALL_LABELS}/{name}.parquet",
            outcome=OUTCOMES,
        )
        for names, name in (
            ("scores", "scores"),
            ("reliabilities", "reliability"),
            ("net_benefits", "net_benefit"),
        )
    },
    "outcome_few_scores": expand(
        "<results>/outcomes/{outcome}/assessment/{number}/scores.parquet",
        outcome=OUTCOMES,
        number=[*FEW_LABELS, ALL_LABELS_OF_MORE],
    ),
    "futures": "<results>/trajectories/incidence.parquet" if FORESEEING else None,
    # given by the user, or known of simulated patients
    "user_neighbours": config["neighbours"]["reference"],
    "user_sex_specific": config["sex_analysis"]["diseases"],
    "risk_graph": "<results>/truth/graph.parquet" if SIMULATED else None,
    "simulated_diseases": "<results>/truth/diseases.parquet" if SIMULATED else None,
}
if CPRD:
    INPUTS |= {
        "code_lists": config["caliber"] or "<results>/caliber",
        "phenotypes": "<results>/phenotypes/phenotypes.parquet",
        "medcodes": MEDCODES,
        "icd": "<results>/phenotypes/icd.parquet",
        "cohort": "<results>/cohort/cohort.parquet",
        "gp_diagnoses": DIAGNOSES,
        "pointers": POINTERS,
        "hospital_diagnoses": EXTRACTED["hes_diagnosis_hosp"],
        "medical_dictionary": EXTRACTED.get("emismedicaldictionary"),
    }

SETTINGS = {
    "data": config["source"],
    "database": DATABASE.name if CPRD else None,
    "disclosure": DISCLOSURE,
    "protocol": config["protocol"],
    "seed": config["seed"],
    "shards": config["shards"],
    **{
        name: config["evaluation"][name]
        for name in ("reference", "resamples", "minimum_prevalence", "neighbours")
    },
    "references": REFERENCES,
    "tasks": lambda product: [TASK[task] for task in tasks_shown(product)],
    "task": task_shown,
    "outcomes": {name: outcome.title for name, outcome in outcomes_of(config).items()},
    "outcome_ceilings": any(
        SIMULATED and not outcome["labels"] for outcome in OUTCOMES.values()
    ),
    "outcome_reference": (
        REFERENCE if REFERENCE in OUTCOME_MODELS else list(OUTCOME_MODELS)[-1]
    ),
    "models": COMPARED,
    "every_model": [*EVERY_MODEL, *ORACLE],
    "ceilings": bool(ORACLE),
    "joint": [model for model in MODELS if MODELS[model]["kind"] == "forecast"],
    "next_event": lambda product: [
        name
        for name, model in EVERY_MODEL.items()
        if model["kind"] == "delphi" and (name in MODELS or product.target == "paper")
    ],
    "forecasting": lambda product: [
        name
        for name, model in EVERY_MODEL.items()
        if model["pretrained"] == "forecast"
        and (name in MODELS or product.target == "paper")
    ],
    "ensembles": lambda product: {
        name: members
        for name, members in ENSEMBLES.items()
        if name in MODELS or product.target == "paper"
    },
    "several_cuts": lambda product: [
        name
        for name, model in EVERY_MODEL.items()
        if model["cuts"] != 1
        and name not in JOINT
        and (name in MODELS or product.target == "paper")
    ],
    "ablated_tasks": config["ablation"]["tasks"],
    "ablated_models": config["ablation"]["models"],
    "inputs_models": config["ablation"]["inputs_models"],
    "inputs": config["inputs"],
    "inputs_yardsticks": INPUTS_YARDSTICKS,
    "protocols": list(COMPARED_PROTOCOLS),
    "permutations": config["neighbours"]["permutations"],
    "score": config["sex_analysis"]["score"],
    "ranks": config["sex_analysis"]["ranks"],
    "maximum_length": config["pretrain"]["settings"]["max_length"],
    "searched": lambda product: product.each,
    "searched_task": lambda product: SEARCHED.get(product.each, {}).get("task"),
    "explained": EXPLAINED,
    "foreseeing": FORESEEING,
}


def of(product, value):
    """Return an input or a setting, of the product where it is a function of that."""
    return value(product) if callable(value) else value


def inputs_of(product):
    """Return the inputs of a product by argument, without those that the run does not have."""
    found = {
        name: (
            f"<results>/tables/{table}.csv"
            if table in TABLE
            else of(product, INPUTS[table])
        )
        for name, table in product.tables.items()
    }
    found |= {name: of(product, INPUTS[item]) for name, item in product.inputs.items()}
    return {name: paths for name, paths in found.items() if paths is not None}


def settings_of(product):
    """Return the settings of a product by argument, as Snakemake compares and stores them."""
    found = {
        name: of(product, SETTINGS[item]) for name, item in product.settings.items()
    }
    return plain(found) | dict(product.arguments)


def caption_of(product):
    """Return the caption of a product, for the results page and Snakemake's report."""
    return product.captioned(
        {name: of(product, value) for name, value in SETTINGS.items()}
    )


def code_of(product):
    """Return the hash of the code that makes a table or a figure: its own module, no other's."""
    return code_hash(
        SCRIPTS / f"{product.kind}.py",
        f"behrt.{product.kind}s.{product.module}",
        *product.reads,
    )


def reported(path, product, form=None):
    """Return an output that Snakemake's report shows with the texts of its entry.

    `product` is a function of the wildcards; `form` distinguishes the files of a product.
    """
    return report(
        path,
        caption="../workflow/report/caption.rst",
        category=lambda wildcards: product(wildcards).category,
        subcategory=lambda wildcards: product(wildcards).subcategory,
        labels=lambda wildcards: {"shows": product(wildcards).title}
        | ({"as": form} if form else {}),
    )


def products_on(page, kind):
    """Return the products of a kind that a results page shows."""
    targets = ["all", "paper"] if page == "paper" else ["all"]
    return [
        product
        for product in PRODUCTS
        if product.kind == kind and product.target in targets
    ]


def made_by(target):
    """Return the files of the products that a target of the workflow makes."""
    return [
        f"<results>/{file}"
        for product in PRODUCTS
        if product.target == target
        for file in product.files
    ]
