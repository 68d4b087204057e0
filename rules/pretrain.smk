"""Pretrain by masked language modelling (MLM), or by forecasting each visit from those before it.

In: the sequences; under the strict protocol, those of training and tuning patients. Under the
paper's, MLM also learns from held-out patients, and they choose the epoch; a forecast does not
learn from held-out patients, but they choose its epoch.
Out: models/mlm/ or models/pretrained_forecast/, the weights from which models with `pretrained`
start. A variant of the run has its files in its own folder (behrt.variants).
"""


rule pretrain:
    input:
        tuned=chosen_values("mlm"),
        sequences=SEQUENCES,
        vocabulary="<results>/vocabulary.json",
    output:
        weights="<results>/{variant}models/{pretraining}/model.safetensors",
        model_config="<results>/{variant}models/{pretraining}/config.json",
        metrics="<results>/{variant}models/{pretraining}/metrics.jsonl",
    log:
        "<logs>/{variant}pretrain/{pretraining}.log",
    benchmark:
        "<benchmarks>/{variant}pretrain/{pretraining}.jsonl"
    wildcard_constraints:
        pretraining="|".join(PRETRAINING_FOLDERS.values()),
    priority: 3
    conda:
        "../envs/train.yaml"
    threads: config["training_threads"]
    resources:
        mem_mb=training_memory(pretrained, per_mb=40),
        runtime=training_time(pretrained),
        gpu=gpus_to_train(config),
        nodes=nodes_to_train(config),
    params:
        recipe=lambda wildcards: {
            "kind": "behrt",
            "settings": VARIANTS[wildcards.variant].settings(
                config["pretrain"]["settings"]
            ),
            "training": pretraining_training(
                config, pretraining_in(wildcards.pretraining)
            ),
            "inputs": VARIANTS[wildcards.variant].inputs(inputs_for(config, "mlm")),
        },
        pretraining=lambda wildcards: pretraining_in(wildcards.pretraining),
        masking=config["pretrain"]["masking"],
        protocol=lambda wildcards: VARIANTS[wildcards.variant].protocol,
        compute=compute_for(config, "mlm"),
        code=code_hash(SCRIPTS / "pretrain.py", "behrt.models.behrt"),
    message:
        "Pretrain {wildcards.variant}{wildcards.pretraining} ({params.compute[accelerator]}, threads: {threads}, GPUs: {resources.gpu})"
    script:
        "../scripts/pretrain.py"
