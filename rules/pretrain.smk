"""Pretrain by masked language modelling (MLM).

In: the sequences; under the strict protocol, those of training and tuning patients.
Out: models/mlm/, the weights from which models with `pretrained` start. A variant of the run has
its files in its own folder (behrt.variants).
"""


rule pretrain:
    input:
        tuned=[
            f"<results>/search/{searched}/chosen.json"
            for searched in search_for(config, "mlm")
        ],
        sequences=SEQUENCES,
        vocabulary="<results>/vocabulary.json",
    output:
        weights="<results>/{variant}models/mlm/model.safetensors",
        model_config="<results>/{variant}models/mlm/config.json",
        metrics="<results>/{variant}models/mlm/metrics.jsonl",
    log:
        "<logs>/{variant}pretrain.log",
    benchmark:
        "<benchmarks>/{variant}pretrain.jsonl"
    priority: 1
    conda:
        "../envs/train.yaml"
    threads: config["training_threads"]
    resources:
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
        runtime=2880,
        gpu=int(config["accelerator"] == "gpu"),
    params:
        recipe=lambda wildcards: {
            "kind": "behrt",
            "settings": VARIANTS[wildcards.variant].settings(
                config["pretrain"]["settings"]
            ),
            "training": config["pretrain"]["training"],
        },
        masking=config["pretrain"]["masking"],
        protocol=lambda wildcards: VARIANTS[wildcards.variant].protocol,
        compute=compute_for(config, "mlm"),
        code=code_hash(SCRIPTS / "pretrain.py", "behrt.models.behrt"),
    message:
        "Pretrain {wildcards.variant}mlm ({params.compute[accelerator]}, threads: {threads}, GPUs: {resources.gpu})"
    script:
        "../scripts/pretrain.py"
