"""Write the MEDS dataset in the layout `data/<split>/` (target `meds_by_split`).

In: the MEDS dataset and its split.
Out: meds_by_split/, the same events, for programs that read one folder per split.
"""


rule meds_by_split:
    input:
        shards=expand("<results>/meds/data/{shard}.parquet", shard=SHARDS),
        splits="<results>/meds/metadata/subject_splits.parquet",
        codes="<results>/meds/metadata/codes.parquet",
        dataset="<results>/meds/metadata/dataset.json",
    output:
        folder=directory("<results>/meds_by_split"),
    log:
        "<logs>/meds_by_split.log",
    benchmark:
        "<benchmarks>/meds_by_split.jsonl"
    conda:
        "../envs/etl.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=60,
    params:
        code=code_hash(SCRIPTS / "meds_by_split.py"),
    message:
        "Write the MEDS dataset by split"
    script:
        "../scripts/meds_by_split.py"
