"""Split the patients into training, tuning and held-out patients.

In: the MEDS dataset; and the source's own split, if that is used.
Out: meds/metadata/subject_splits.parquet, one row per patient.
"""


rule split:
    input:
        **({"own": OWN_SPLIT} if config["split"]["by"] == "dataset" else {}),
        shards=expand("<results>/meds/data/{shard}.parquet", shard=SHARDS),
    output:
        splits="<results>/meds/metadata/subject_splits.parquet",
    log:
        "<logs>/split.log",
    benchmark:
        "<benchmarks>/split.jsonl"
    conda:
        "../envs/etl.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000, per_mb=20),
        runtime=minutes(15, per_mb=0.2),
    params:
        content=lambda wildcards: content_of(OWN_SPLIT),
        by=config["split"]["by"],
        held_out=config["split"]["held_out"],
        tuning=config["split"]["tuning"],
        seed=config["seed"],
        code=code_hash(SCRIPTS / "split.py"),
    message:
        "Split the patients"
    script:
        "../scripts/split.py"
