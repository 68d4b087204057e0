"""Score a trained model of any run on all patients of this one (target `validate`).

In: the folder of a trained model (`model` in the configuration), and the sequences of this run,
whose vocabulary must be the model's.
Out: validation/metrics.csv and validation/calibration.csv: aggregates only, small counts suppressed.
"""


rule validate:
    input:
        trained=lambda wildcards: model_folder(config) / "trained.json",
        sequences=SEQUENCES,
        vocabulary="<results>/vocabulary.json",
    output:
        metrics="<results>/validation/metrics.csv",
        calibration="<results>/validation/calibration.csv",
    log:
        "<logs>/validate.log",
    benchmark:
        "<benchmarks>/validate.jsonl"
    conda:
        "../envs/train.yaml"
    threads: config["training_threads"]
    resources:
        mem_mb=memory(1500, per_mb=60),
        runtime=minutes(60, per_mb=2),
    params:
        content=lambda wildcards: content_of(model_folder(config) / "trained.json"),
        shared_words=config["shared_words"],
        threads=config["training_threads"],
        recall_at=config["evaluation"]["recall_at"],
        bootstrap=dict(resamples=config["evaluation"]["resamples"], seed=config["seed"]),
        data=config["source"],
        disclosure=DISCLOSURE,
        code=code_hash(
            SCRIPTS / "validate.py", *(f"behrt.models.{kind}" for kind in kinds())
        ),
    message:
        "Validate the model of {input.trained}"
    script:
        "../scripts/validate.py"
