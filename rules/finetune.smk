"""Train one model for one task. Every model gets the same examples.

In: the sequences, the task's examples and, for a pretrained model, the MLM weights.
Out: models/<task>/<model>/, what predict needs.
"""


rule finetune:
    input:
        unpack(
            lambda wildcards: (
                {"pretrained": "<results>/models/mlm/model.safetensors"}
                if EVERY_MODEL[wildcards.model]["pretrained"]
                else {}
            )
        ),
        tuned=lambda wildcards: [
            f"<results>/search/{searched}/chosen.json"
            for searched in search_for(config, wildcards.model)
        ],
        sequences=SEQUENCES,
        task=EXAMPLES,
        vocabulary="<results>/vocabulary.json",
    output:
        weights="<results>/models/{task}/{model}/model.safetensors",
        model_config="<results>/models/{task}/{model}/config.json",
        metrics="<results>/models/{task}/{model}/metrics.jsonl",
    log:
        "<logs>/finetune/{task}/{model}.log",
    benchmark:
        "<benchmarks>/finetune/{task}/{model}.jsonl"
    conda:
        "../envs/train.yaml"
    threads: config["training_threads"]
    resources:
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
        runtime=2880,
        gpu=lambda wildcards: int(
            compute_for(config, wildcards.model)["accelerator"] == "gpu"
        ),
    params:
        kind=lambda wildcards: EVERY_MODEL[wildcards.model]["kind"],
        settings=lambda wildcards: settings_for(config, wildcards.model, wildcards.task),
        training=lambda wildcards: training_for(config, wildcards.model, wildcards.task),
        protocol=config["protocol"],
        compute=lambda wildcards: compute_for(config, wildcards.model),
        labelled=lambda wildcards: TASK[wildcards.task].labelled,
        task_name=lambda wildcards: wildcards.task,
        code=lambda wildcards: code_hash(
            SCRIPTS / "finetune.py",
            f"behrt.models.{EVERY_MODEL[wildcards.model]['kind']}",
        ),
    message:
        "Train {wildcards.model} for {wildcards.task} ({params.compute[accelerator]}, threads: {threads})"
    script:
        "../scripts/finetune.py"
