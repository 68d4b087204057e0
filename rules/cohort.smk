"""Select the patients, step by step.

In: the extracted source tables that the steps read.
Out: cohort/cohort.parquet, one row per patient with a follow-up; cohort/flow.parquet, the patients
left after each step; cohort/manifest.json, what was recognised in the delivery as a whole.
"""

MERGED = {"merged": AURUM["merged_practices"]} if "merged_practices" in AURUM else {}


rule cohort_shard:
    input:
        **(
            {
                "diagnoses": DIAGNOSES,
                "pointers": POINTERS,
                "medcodes": MEDCODES,
                "icd": "<results>/phenotypes/icd.parquet",
            }
            if config["cohort"]["visits"] == "diagnosis"
            else {}
        ),
        **(
            {"hospital": EXTRACTED["hes_diagnosis_hosp"]}
            if config["cohort"]["visits"] == "diagnosis" or "hes_hospital" in WITHOUT
            else {}
        ),
        **MERGED,
        patient=EXTRACTED["patient"],
        practice=EXTRACTED["practice"],
        eligibility=EXTRACTED["linkage_eligibility"],
        coverage=EXTRACTED["linkage_coverage"],
        deaths=EXTRACTED["death_patient"],
        visits=RECORDS,
        admissions=EXTRACTED["hes_hospital"],
    output:
        cohort="<results>/cohort/shards/{shard}.parquet",
        counts="<results>/cohort/shards/{shard}_flow.parquet",
    log:
        "<logs>/cohort_shard/{shard}.log",
    benchmark:
        "<benchmarks>/cohort_shard/{shard}.jsonl"
    conda:
        "../envs/etl.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000, per_mb=10, jobs=len(SHARDS)),
        runtime=minutes(15, per_mb=0.2, jobs=len(SHARDS)),
    params:
        content=lambda wildcards: content_of(AURUM.get("merged_practices")),
        shard=lambda wildcards: int(wildcards.shard),
        rules=config["cohort"],
        database=DATABASE.name,
        without=WITHOUT,
        code=code_hash(SCRIPTS / "cohort_shard.py", "cprd/layouts.toml"),
    message:
        "Select the patients of shard {wildcards.shard}"
    script:
        "../scripts/cohort_shard.py"


rule cohort:
    input:
        **MERGED,
        shards=expand("<results>/cohort/shards/{shard}.parquet", shard=SHARDS),
        counts=expand("<results>/cohort/shards/{shard}_flow.parquet", shard=SHARDS),
        patient=EXTRACTED["patient"],
        practice=EXTRACTED["practice"],
        coverage=EXTRACTED["linkage_coverage"],
    output:
        cohort="<results>/cohort/cohort.parquet",
        flow="<results>/cohort/flow.parquet",
        manifest="<results>/cohort/manifest.json",
    log:
        "<logs>/cohort.log",
    benchmark:
        "<benchmarks>/cohort.jsonl"
    conda:
        "../envs/etl.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000, per_mb=60),
        runtime=minutes(15, per_mb=1),
    params:
        content=lambda wildcards: content_of(AURUM.get("merged_practices")),
        rules=config["cohort"],
        database=DATABASE.name,
        without=WITHOUT,
        code=code_hash(SCRIPTS / "cohort.py", "cprd/layouts.toml"),
    message:
        "Join the shards' cohorts"
    script:
        "../scripts/cohort.py"
