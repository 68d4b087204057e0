"""Train the models that are trained once, for all tasks, after every visit.

In: the sequences, and the examples of the tasks, which choose the epoch.
Out: models/<model>/, from which finetune takes the model of each task; models/<model>_all/ is
trained for the tasks on all eligible patients. A variant of the run has its files in its own folder
(behrt.variants).
"""


rule joint:
    input:
        unpack(lambda wildcards: deaths_read(key_of(wildcards.joint))),
        sequences=SEQUENCES,
        examples=lambda wildcards: [
            f"<results>/tasks/{task.key}.parquet" for task in joint_tasks(wildcards)
        ],
        vocabulary="<results>/vocabulary.json",
    output:
        weights="<results>/{variant}models/{joint}/model.safetensors",
        model_config="<results>/{variant}models/{joint}/config.json",
        metrics="<results>/{variant}models/{joint}/metrics.jsonl",
    log:
        "<logs>/{variant}joint/{joint}.log",
    benchmark:
        "<benchmarks>/{variant}joint/{joint}.jsonl"
    wildcard_constraints:
        joint="|".join(f"{model}({ALL})?" for model in JOINT) or "$^",  # $^ fits nothing
    priority: 2
    conda:
        "../envs/train.yaml"
    threads: config["training_threads"]
    resources:
        mem_mb=training_memory(jointly_trained, per_mb=60),
        runtime=training_time(jointly_trained),
        gpu=gpus_to_train(config),
        nodes=nodes_to_train(config),
    params:
        recipe=lambda wildcards: {
            "kind": EVERY_MODEL[key_of(wildcards.joint)]["kind"],
            "settings": settings_for(config, key_of(wildcards.joint), ""),
            "training": training_for(config, key_of(wildcards.joint), ""),
            "cuts": EVERY_MODEL[key_of(wildcards.joint)]["cuts"],
            "inputs": VARIANTS[wildcards.variant].inputs(
                inputs_for(config, key_of(wildcards.joint))
            ),
        },
        tasks=lambda wildcards: plain(joint_tasks(wildcards)),
        protocol=lambda wildcards: VARIANTS[wildcards.variant].protocol,
        compute=lambda wildcards: compute_for(config, key_of(wildcards.joint)),
        code=lambda wildcards: code_hash(
            SCRIPTS / "joint.py",
            f"behrt.models.{EVERY_MODEL[key_of(wildcards.joint)]['kind']}",
        ),
    message:
        "Train {wildcards.variant}{wildcards.joint} for all tasks ({params.compute[accelerator]}, threads: {threads}, GPUs: {resources.gpu})"
    script:
        "../scripts/joint.py"
