"""Train one model for one task, on the examples that the task draws, or on several per patient, and
predict every disease for the tuning and the held-out patients with it.

In: the sequences, the task's examples and, for a pretrained model, the MLM weights. The model of a
kind that is trained once, for all tasks, is taken from its weights (joint.smk).
Out: models/<task>/<model>/, and predictions/<task>/<model>.parquet, one row per patient, one score
per disease. A variant of the run has its files in its own folder (behrt.variants).
"""


rule finetune:
    input:
        unpack(pretrained_weights),
        tuned=lambda wildcards: chosen_values(wildcards.model),
        sequences=SEQUENCES,
        examples=EXAMPLES,
        vocabulary="<results>/vocabulary.json",
    output:
        weights="<results>/{variant}models/{task}/{model}/model.safetensors",
        model_config="<results>/{variant}models/{task}/{model}/config.json",
        metrics="<results>/{variant}models/{task}/{model}/metrics.jsonl",
        scores="<results>/{variant}predictions/{task}/{model}.parquet",
    log:
        "<logs>/{variant}finetune/{task}/{model}.log",
    benchmark:
        "<benchmarks>/{variant}finetune/{task}/{model}.jsonl"
    wildcard_constraints:
        model="|".join(TRAINED),
    priority: 1
    conda:
        "../envs/train.yaml"
    threads: config["training_threads"]
    resources:
        mem_mb=training_memory(finetuned, per_mb=120),
        runtime=training_time(finetuned),
        gpu=gpus,
        nodes=nodes,
    params:
        recipe=lambda wildcards: {
            "kind": EVERY_MODEL[wildcards.model]["kind"],
            "settings": VARIANTS[wildcards.variant].settings(
                settings_for(config, wildcards.model, wildcards.task)
            ),
            "training": training_for(config, wildcards.model, wildcards.task),
            "cuts": EVERY_MODEL[wildcards.model]["cuts"],
            "inputs": VARIANTS[wildcards.variant].inputs(
                inputs_for(config, wildcards.model)
            ),
        },
        task=lambda wildcards: plain(TASK[wildcards.task]),
        minimum_visits=config["examples"]["minimum_visits"],
        protocol=lambda wildcards: VARIANTS[wildcards.variant].protocol,
        compute=lambda wildcards: compute_for(config, wildcards.model),
        code=lambda wildcards: code_hash(
            SCRIPTS / "finetune.py",
            f"behrt.models.{EVERY_MODEL[wildcards.model]['kind']}",
        ),
    message:
        "Train {wildcards.variant}{wildcards.model} for {wildcards.task}, and predict ({params.compute[accelerator]}, threads: {threads}, GPUs: {resources.gpu})"
    script:
        "../scripts/finetune.py"
