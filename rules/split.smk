"""Draw which patients train, which choose epochs, and which are held out.

In: the MEDS dataset.
Out: meds/metadata/subject_splits.parquet, one row a subject.
"""


rule split:
    input:
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
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=30,
    params:
        by=config["split"]["by"],
        held_out=config["split"]["held_out"],
        tuning=config["split"]["tuning"],
        seed=config["seed"],
        code=code_hash(SCRIPTS / "split.py"),
    message:
        "Split the patients"
    script:
        "../scripts/split.py"
