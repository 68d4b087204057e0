"""Predict every disease for the tuning and the held-out patients with one model.

In: a trained model and the task's examples.
Out: predictions/<task>/<model>.parquet, one row per patient, one score per disease. A variant of
the run has its files in its own folder (behrt.variants).
"""


rule predict:
    input:
        sequences=SEQUENCES,
        examples=EXAMPLES,
        vocabulary="<results>/vocabulary.json",
        weights="<results>/{variant}models/{task}/{model}/model.safetensors",
        model_config="<results>/{variant}models/{task}/{model}/config.json",
    output:
        scores="<results>/{variant}predictions/{task}/{model}.parquet",
    log:
        "<logs>/{variant}predict/{task}/{model}.log",
    benchmark:
        "<benchmarks>/{variant}predict/{task}/{model}.jsonl"
    wildcard_constraints:
        model="|".join(TRAINED),
    priority: 1
    conda:
        "../envs/train.yaml"
    threads: config["training_threads"]
    resources:
        mem_mb=memory(1500, per_mb=60),
        runtime=minutes(30, per_mb=2),
        gpu=lambda wildcards: int(
            compute_for(config, wildcards.model)["accelerator"] == "gpu"
        ),
    params:
        kind=lambda wildcards: EVERY_MODEL[wildcards.model]["kind"],
        task=lambda wildcards: plain(TASK[wildcards.task]),
        compute=lambda wildcards: compute_for(config, wildcards.model),
        code=lambda wildcards: code_hash(
            SCRIPTS / "predict.py",
            f"behrt.models.{EVERY_MODEL[wildcards.model]['kind']}",
        ),
    message:
        "Predict {wildcards.task} with {wildcards.variant}{wildcards.model} ({params.compute[accelerator]}, threads: {threads}, GPUs: {resources.gpu})"
    script:
        "../scripts/predict.py"
