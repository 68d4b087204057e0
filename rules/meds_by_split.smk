"""Write the MEDS dataset in the layout `data/<split>/` (target `meds_by_split`).

In: the MEDS dataset and its split; of a delivery, also the records in the codes of the source.
Out: meds_by_split/, for programs that read one folder per split. Of a split by time, only held-out
patients have events from the cut-off on.
"""

if CPRD:
    # Look-ups that name codes of the source. A simulated delivery has no medical.txt.
    MEDICAL = (
        None
        if SIMULATED or FAULT or DATABASE.name == "aurum"
        else find_medical(DELIVERY, config["concepts"]["look_ups"])
    )
    SOURCE_LOOK_UPS = ({"medical": MEDICAL} if MEDICAL else {}) | (
        {"products": CONCEPT_LOOK_UPS["product"]}
        if "product" in CONCEPT_LOOK_UPS
        else {}
    )

    rule source_codes:
        input:
            **(
                {"dictionary": EXTRACTED["emismedicaldictionary"]}
                if DATABASE.name == "aurum"
                else {}
            ),
            **{name: file.path for name, file in SOURCE_LOOK_UPS.items()},
            # by content, below: the date of a folder does not depend on its files
            lists=(
                ancient(config["caliber"])
                if config["caliber"]
                else "<results>/caliber"
            ),
        output:
            source_codes="<results>/source_codes.parquet",
        log:
            "<logs>/source_codes.log",
        benchmark:
            "<benchmarks>/source_codes.jsonl"
        conda:
            "../envs/etl.yaml"
        threads: 1
        resources:
            mem_mb=memory(2000),
            runtime=minutes(15),
        params:
            **{f"{name}_member": file.member for name, file in SOURCE_LOOK_UPS.items()},
            content=lambda wildcards: content_of(
                config["caliber"],
                *(
                    []
                    if SIMULATED
                    else [file.path for file in SOURCE_LOOK_UPS.values()]
                ),
            ),
            code=code_hash(SCRIPTS / "source_codes.py"),
        message:
            "Find the codes of the source in public coding systems"
        script:
            "../scripts/source_codes.py"

    rule source_events:
        input:
            cohort="<results>/cohort/shards/{shard}.parquet",
            diagnoses=DIAGNOSES,
            pointers=POINTERS,
            hospital=EXTRACTED["hes_diagnosis_hosp"],
            prescriptions=[
                path
                for table in DATABASE.concepts["medications"]
                for path in EXTRACTED[table]
            ],
            procedures=EXTRACTED["hes_procedures_epi"],
            source_codes="<results>/source_codes.parquet",
        output:
            events="<results>/source_events/{shard}.parquet",
        log:
            "<logs>/source_events/{shard}.log",
        benchmark:
            "<benchmarks>/source_events/{shard}.jsonl"
        conda:
            "../envs/etl.yaml"
        threads: 1
        resources:
            mem_mb=memory(1000, per_mb=60, jobs=len(SHARDS)),
            runtime=minutes(15, per_mb=1, jobs=len(SHARDS)),
        params:
            shard=lambda wildcards: int(wildcards.shard),
            code=code_hash(SCRIPTS / "source_events.py"),
        message:
            "List the records of shard {wildcards.shard} in the codes of the source"
        script:
            "../scripts/source_events.py"


rule meds_by_split:
    input:
        **(
            dict(
                source_events=expand(
                    "<results>/source_events/{shard}.parquet", shard=SHARDS
                ),
                source_codes="<results>/source_codes.parquet",
                medcodes=MEDCODES,
                icd="<results>/phenotypes/icd.parquet",
                phenotypes="<results>/phenotypes/phenotypes.parquet",
                **{
                    name: f"<results>/concepts/codes/{name}.parquet"
                    for name in ("products", "procedures")
                    if f"<results>/concepts/codes/{name}.parquet" in CONCEPT_CODES
                },
            )
            if CPRD
            else {}
        ),
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
        mem_mb=memory(1000, per_mb=20),
        runtime=minutes(15, per_mb=0.2),
    params:
        level=config["concepts"]["procedures"]["level"],
        cut_off=cut_off_of(config),
        code=code_hash(SCRIPTS / "meds_by_split.py"),
    message:
        "Write the MEDS dataset by split"
    script:
        "../scripts/meds_by_split.py"
