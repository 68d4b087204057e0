"""Turn the events of any MEDS dataset into visits: the integers that models read.

In: the MEDS dataset and its split.
Out: vocabulary.json, the diseases in their fixed order, and sequences/<shard>.parquet, one row per
subject. If `inputs` names other concepts than diagnoses, the vocabulary has their words, too, and
vocabulary_concepts.json counts the codes that are none.
"""

OTHER_CONCEPTS = concepts_in(config["inputs"])


rule vocabulary:
    input:
        **(
            {
                "shards": expand("<results>/meds/data/{shard}.parquet", shard=SHARDS),
                "splits": "<results>/meds/metadata/subject_splits.parquet",
            }
            if OTHER_CONCEPTS
            else {}
        ),
        codes="<results>/meds/metadata/codes.parquet",
    output:
        **({"manifest": "<results>/vocabulary_concepts.json"} if OTHER_CONCEPTS else {}),
        vocabulary="<results>/vocabulary.json",
    log:
        "<logs>/vocabulary.log",
    benchmark:
        "<benchmarks>/vocabulary.jsonl"
    conda:
        "../envs/etl.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(15),
    params:
        **(
            {
                "concepts": OTHER_CONCEPTS,
                "minimum_patients": config["concepts"]["minimum_patients"],
                "cut_off": cut_off_of(config),
            }
            if OTHER_CONCEPTS
            else {}
        ),
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
        mem_mb=memory(1000, per_mb=120),
        runtime=minutes(15, per_mb=1),
    params:
        cut_off=cut_off_of(config),
        death=config["examples"]["death"],
        code=code_hash(SCRIPTS / "sequences.py"),
    message:
        "Turn the events of shard {wildcards.shard} into visits"
    script:
        "../scripts/sequences.py"
