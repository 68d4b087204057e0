"""Turn records into events: the last stage that depends on CPRD writes a MEDS dataset.

In: the cohort, the extracted records of a shard, the phenotypes, and the events beyond diagnoses.
Out: meds/data/<shard>.parquet, meds/metadata/{codes.parquet,dataset.json}, and the number of
records of each code that no list has; with inputs beyond diagnoses, concepts/outcomes.parquet, the
number of their records by outcome.
"""


rule events:
    input:
        **(
            {"concepts": "<results>/concepts/events/{shard}.parquet"}
            if CONCEPTS
            else {}
        ),
        cohort="<results>/cohort/shards/{shard}.parquet",
        diagnoses=DIAGNOSES,
        pointers=POINTERS,
        consultations=EXTRACTED["consultation"],
        hospital=EXTRACTED["hes_diagnosis_hosp"],
        admissions=EXTRACTED["hes_hospital"],
        medcodes=MEDCODES,
        icd="<results>/phenotypes/icd.parquet",
        phenotypes="<results>/phenotypes/phenotypes.parquet",
    output:
        events="<results>/meds/data/{shard}.parquet",
        unmapped="<results>/unmapped/{shard}.parquet",
    log:
        "<logs>/events/{shard}.log",
    benchmark:
        "<benchmarks>/events/{shard}.jsonl"
    conda:
        "../envs/etl.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000, per_mb=60, jobs=len(SHARDS)),
        runtime=minutes(15, per_mb=1, jobs=len(SHARDS)),
    params:
        shard=lambda wildcards: int(wildcards.shard),
        code=code_hash(SCRIPTS / "events.py"),
    message:
        "Turn the records of shard {wildcards.shard} into events"
    script:
        "../scripts/events.py"


rule meds:
    input:
        **(
            {
                "concept_shards": expand(
                    "<results>/concepts/outcomes/{shard}.parquet", shard=SHARDS
                )
            }
            if CONCEPTS
            else {}
        ),
        medcodes=MEDCODES,
        icd="<results>/phenotypes/icd.parquet",
        phenotypes="<results>/phenotypes/phenotypes.parquet",
        shards=expand("<results>/meds/data/{shard}.parquet", shard=SHARDS),
        unmapped=expand("<results>/unmapped/{shard}.parquet", shard=SHARDS),
    output:
        **(
            {"concept_outcomes": "<results>/concepts/outcomes.parquet"}
            if CONCEPTS
            else {}
        ),
        codes="<results>/meds/metadata/codes.parquet",
        dataset="<results>/meds/metadata/dataset.json",
        unmapped_codes="<results>/unmapped.parquet",
    log:
        "<logs>/meds.log",
    benchmark:
        "<benchmarks>/meds.jsonl"
    conda:
        "../envs/etl.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000, per_mb=10),
        runtime=minutes(15, per_mb=0.2),
    params:
        name=config["run"],
        code=code_hash(SCRIPTS / "meds.py"),
    message:
        "Describe the MEDS dataset"
    script:
        "../scripts/meds.py"
