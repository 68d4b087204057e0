"""Ask one model about the tuning and the held-out patients.

In: a trained model and the task's examples.
Out: predictions/<task>/<model>.parquet, one row a patient, one score a disease.
"""


rule predict:
    input:
        sequences=SEQUENCES,
        task=EXAMPLES,
        vocabulary="<results>/vocabulary.json",
        weights="<results>/models/{task}/{model}/model.safetensors",
        model_config="<results>/models/{task}/{model}/config.json",
    output:
        scores="<results>/predictions/{task}/{model}.parquet",
    log:
        "<logs>/predict/{task}/{model}.log",
    benchmark:
        "<benchmarks>/predict/{task}/{model}.jsonl"
    wildcard_constraints:
        model="|".join(EVERY_MODEL),
    conda:
        "../envs/train.yaml"
    threads: config["training_threads"]
    resources:
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
        runtime=240,
        gpu=lambda wildcards: int(
            compute_for(config, wildcards.model)["accelerator"] == "gpu"
        ),
    params:
        kind=lambda wildcards: EVERY_MODEL[wildcards.model]["kind"],
        compute=lambda wildcards: compute_for(config, wildcards.model),
        labelled=lambda wildcards: TASK[wildcards.task].labelled,
        task_name=lambda wildcards: wildcards.task,
        code=lambda wildcards: code_hash(
            SCRIPTS / "predict.py",
            f"behrt.models.{EVERY_MODEL[wildcards.model]['kind']}",
        ),
    message:
        "Predict {wildcards.task} with {wildcards.model} ({params.compute[accelerator]}, threads: {threads})"
    script:
        "../scripts/predict.py"
