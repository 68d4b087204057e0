"""Check the delivery before hours of work (target `check_delivery`).

In: every delivered file; only the beginning of large ones is read.
Out: check/delivery.json and .txt: what was recognised, what is missing or wrong, the expected
cohort, and what a run needs. A delivery with faults is described as well; `ready` is then false.
"""


rule check_delivery:
    input:
        **({} if config["caliber"] else {"own_lists": "<results>/caliber"}),
        **({"merged": AURUM["merged_practices"]} if "merged_practices" in AURUM else {}),
        **({"snomed": AURUM["snomed"]} if "snomed" in AURUM else {}),
        **OBSERVATION_LISTS,
        look_ups=[file.path for file in CONCEPT_LOOK_UPS.values()],
        files=DELIVERY_FILES,
    output:
        report="<results>/check/delivery.json",
        text="<results>/check/delivery.txt",
    log:
        "<logs>/check_delivery.log",
    benchmark:
        "<benchmarks>/check_delivery.jsonl"
    conda:
        "../envs/etl.yaml"
    threads: 1
    resources:
        mem_mb=memory(8000),
        runtime=minutes(120),
    params:
        content=lambda wildcards: content_of(
            [] if SIMULATED else DELIVERY_FILES,
            config["caliber"],
            *AURUM.values(),
            *([] if SIMULATED else OBSERVATION_LISTS.values()),
            *config["concepts"]["look_ups"].values(),
        ),
        folder=lambda wildcards: str(DELIVERY),
        lists=lambda wildcards: config["caliber"] or f"{RESULTS}/caliber",
        database=DATABASE.name,
        diagnoses=config["events"]["tables"],
        rules=config["cohort"],
        options={
            source_table: options_for(config["extract"], source_table)
            for source_table in DATABASE.source_tables
        },
        named=config["delivery"]["files"],
        maximum_refused=config["extract"]["maximum_refused"],
        shards=config["shards"],
        threshold=DISCLOSURE["threshold"],
        megabytes=config["check"]["megabytes"],
        without=WITHOUT,
        inputs=config["inputs"],
        concepts={
            name: value
            for name, value in config["concepts"].items()
            if name != "minimum_patients"
        },
        predictions=config["split"]["held_out"] * len(TASKS) * len(MODELS),
        code=code_hash(SCRIPTS / "check_delivery.py", "cprd/layouts.toml"),
    message:
        "Check the delivery"
    script:
        "../scripts/check_delivery.py"
