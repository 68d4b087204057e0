"""Turn the events of any MEDS dataset into visits: the integers that models read.

In: the MEDS dataset and its split.
Out: vocabulary.json, the diseases in their fixed order, and sequences/<shard>.parquet, one row per
subject.
"""


rule vocabulary:
    input:
        codes="<results>/meds/metadata/codes.parquet",
    output:
        vocabulary="<results>/vocabulary.json",
    log:
        "<logs>/vocabulary.log",
    benchmark:
        "<benchmarks>/vocabulary.jsonl"
    conda:
        "../envs/etl.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=15,
    params:
        code=code_hash(SCRIPTS / "vocabulary.py"),
    message:
        "Write the vocabulary"
    script:
        "../scripts/vocabulary.py"


rule sequences:
    input:
        events="<results>/meds/data/{shard}.parquet",
        splits="<results>/meds/metadata/subject_splits.parquet",
        vocabulary="<results>/vocabulary.json",
    output:
        sequences="<results>/sequences/{shard}.parquet",
    log:
        "<logs>/sequences/{shard}.log",
    benchmark:
        "<benchmarks>/sequences/{shard}.jsonl"
    conda:
        "../envs/etl.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=60,
    params:
        cut_off=cut_off_of(config),
        death=config["examples"]["death"],
        code=code_hash(SCRIPTS / "sequences.py"),
    message:
        "Turn the events of shard {wildcards.shard} into visits"
    script:
        "../scripts/sequences.py"
