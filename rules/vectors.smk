"""Find the vectors of the held-out patients with one model, one that has vectors of patients.

In: a trained model and the task's examples.
Out: vectors/<task>/<model>.parquet, one row per patient, which no table shows.
"""


rule vectors:
    input:
        sequences=SEQUENCES,
        examples=EXAMPLES,
        vocabulary="<results>/vocabulary.json",
        weights="<results>/models/{task}/{model}/model.safetensors",
        model_config="<results>/models/{task}/{model}/config.json",
    output:
        vectors="<results>/vectors/{task}/{model}.parquet",
    log:
        "<logs>/vectors/{task}/{model}.log",
    benchmark:
        "<benchmarks>/vectors/{task}/{model}.jsonl"
    wildcard_constraints:
        model="|".join(WITH_VECTORS) or "$^",  # $^ fits nothing
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
            SCRIPTS / "vectors.py",
            f"behrt.models.{EVERY_MODEL[wildcards.model]['kind']}",
        ),
    message:
        "Find the vectors of the patients of {wildcards.task} with {wildcards.model} ({params.compute[accelerator]}, threads: {threads}, GPUs: {resources.gpu})"
    script:
        "../scripts/vectors.py"
