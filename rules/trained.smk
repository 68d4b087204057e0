"""Gather a trained model with all that its use needs (target `trained`: every model of the tables).

In: a trained model, its predictions and the task's labels, on whose tuning patients risks are
recalibrated as in the assessment; of an ensemble, the models that it is made of.
Out: trained/<task>/<model>/, which behrt.load and python -m behrt.predict read (behrt.use.folder);
trained/mlm/, the same of a pretrained model; trained/outcomes/<outcome>/<model>/, of a model of one
outcome.
"""


rule trained_model:
    input:
        unpack(lambda wildcards: patients_of_rates(wildcards.model)),
        weights="<results>/models/{task}/{model}/model.safetensors",
        model_config="<results>/models/{task}/{model}/config.json",
        members=lambda wildcards: [
            f"<results>/models/{{task}}/{member}/model.safetensors"
            for member in (
                settings_for(config, wildcards.model, wildcards.task)["of"]
                if wildcards.model in ENSEMBLES
                else []
            )
        ],
        scores="<results>/predictions/{task}/{model}.parquet",
        examples=EXAMPLES,
        vocabulary="<results>/vocabulary.json",
    output:
        folder=directory("<results>/trained/{task}/{model}"),
    log:
        "<logs>/trained_model/{task}/{model}.log",
    benchmark:
        "<benchmarks>/trained_model/{task}/{model}.jsonl"
    wildcard_constraints:
        model="|".join(EVERY_MODEL),
    conda:
        "../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=memory(1500, per_mb=20),
        runtime=minutes(30, per_mb=1),
    params:
        task=lambda wildcards: plain(TASK[wildcards.task]),
        run=config["run"],
        data=config["source"],
        minimum_visits=config["examples"]["minimum_visits"],
        code=lambda wildcards: code_hash(
            SCRIPTS / "trained_model.py",
            f"behrt.models.{EVERY_MODEL[wildcards.model]['kind']}",
        ),
    message:
        "Gather {wildcards.model} for {wildcards.task} in a folder"
    script:
        "../scripts/trained_model.py"


rule pretrained_model:
    input:
        weights="<results>/models/{pretraining}/model.safetensors",
        model_config="<results>/models/{pretraining}/config.json",
        vocabulary="<results>/vocabulary.json",
    output:
        folder=directory("<results>/trained/{pretraining}"),
    log:
        "<logs>/pretrained_model/{pretraining}.log",
    benchmark:
        "<benchmarks>/pretrained_model/{pretraining}.jsonl"
    wildcard_constraints:
        pretraining="|".join(PRETRAINING_FOLDERS.values()),
    conda:
        "../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=memory(1500),
        runtime=minutes(30),
    params:
        run=config["run"],
        data=config["source"],
        code=code_hash(SCRIPTS / "pretrained_model.py", "behrt.models.behrt"),
    message:
        "Gather the pretrained {wildcards.pretraining} in a folder"
    script:
        "../scripts/pretrained_model.py"


rule trained_outcome:
    input:
        weights=f"<results>/outcomes/{{outcome}}/models/{ALL_LABELS}/{{model}}/model.safetensors",
        model_config=f"<results>/outcomes/{{outcome}}/models/{ALL_LABELS}/{{model}}/config.json",
        predictions=f"<results>/outcomes/{{outcome}}/predictions/{ALL_LABELS}/{{model}}.parquet",
        vocabulary="<results>/vocabulary.json",
    output:
        folder=directory("<results>/trained/outcomes/{outcome}/{model}"),
    log:
        "<logs>/trained_outcome/{outcome}/{model}.log",
    benchmark:
        "<benchmarks>/trained_outcome/{outcome}/{model}.jsonl"
    wildcard_constraints:
        outcome="|".join(OUTCOMES) or "$^",
        model="|".join(OUTCOME_MODELS),
    conda:
        "../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=memory(1500, per_mb=20),
        runtime=minutes(30, per_mb=1),
    params:
        outcome=lambda wildcards: wildcards.outcome,
        run=config["run"],
        data=config["source"],
        code=code_hash(SCRIPTS / "trained_outcome.py", "behrt.models.behrt"),
    message:
        "Gather {wildcards.model} for {wildcards.outcome} in a folder"
    script:
        "../scripts/trained_outcome.py"


rule trained:
    input:
        expand("<results>/trained/{task}/{model}", task=TASKS, model=MODELS),
