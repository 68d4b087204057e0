"""Pretrain by masked language modelling (MLM).

In: the sequences; under the strict protocol, of training and tuning patients only.
Out: models/mlm/, the weights that models with `pretrained` start from.
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
        weights="<results>/models/mlm/model.safetensors",
        model_config="<results>/models/mlm/config.json",
        metrics="<results>/models/mlm/metrics.jsonl",
    log:
        "<logs>/pretrain.log",
    benchmark:
        "<benchmarks>/pretrain.jsonl"
    priority: 1
    conda:
        "../envs/train.yaml"
    threads: config["training_threads"]
    resources:
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
        runtime=2880,
        gpu=int(config["accelerator"] == "gpu"),
    params:
        settings=config["pretrain"]["settings"],
        training=config["pretrain"]["training"],
        masking=config["pretrain"]["masking"],
        protocol=config["protocol"],
        compute=compute_for(config, "mlm"),
        code=code_hash(SCRIPTS / "pretrain.py"),
    message:
        "Pretrain ({params.compute[accelerator]}, threads: {threads})"
    script:
        "../scripts/pretrain.py"
