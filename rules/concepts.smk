"""Read medications, procedures, tests and measurements, as far as `inputs` names them.

In: the cohort, the extracted records, and CPRD's look-ups or the code lists that say what they are.
Out: concepts/codes/, what each code is; concepts/events/<shard>.parquet, the events, which the MEDS
dataset takes; concepts/outcomes/<shard>.parquet, what became of each record.
"""

from behrt.cprd.concepts.codes import names_of

CONCEPT_TABLES = {
    source_table: EXTRACTED[source_table]
    for concept in CONCEPTS
    for source_table in DATABASE.concepts[concept]
}
CONCEPT_CODES = [
    f"<results>/concepts/codes/{name}.parquet"
    for name in names_of(
        DATABASE.name, config["inputs"], config["concepts"]["procedures"]["level"]
    )
]
PROCEDURE_LISTS = (
    # by content, below: the date of a folder does not depend on its files
    {"lists": ancient(config["caliber"]) if config["caliber"] else "<results>/caliber"}
    if "procedures" in CONCEPTS
    and config["concepts"]["procedures"]["level"] == "caliber"
    else {}
)

if CONCEPTS:

    rule concept_codes:
        input:
            **OBSERVATION_LISTS,
            **PROCEDURE_LISTS,
            look_ups=[file.path for file in CONCEPT_LOOK_UPS.values()],
        output:
            codes=CONCEPT_CODES,
            manifest="<results>/concepts/codes/manifest.json",
        log:
            "<logs>/concept_codes.log",
        benchmark:
            "<benchmarks>/concept_codes.jsonl"
        conda:
            "../envs/etl.yaml"
        threads: 1
        resources:
            mem_mb=memory(2000),
            runtime=minutes(30),
        params:
            content=lambda wildcards: content_of(
                config["caliber"] if PROCEDURE_LISTS else None,
                *(
                    []
                    if SIMULATED
                    else [
                        *(file.path for file in CONCEPT_LOOK_UPS.values()),
                        *OBSERVATION_LISTS.values(),
                    ]
                ),
            ),
            database=DATABASE.name,
            inputs=config["inputs"],
            concepts={
                name: config["concepts"][name]
                for name in ("medications", "procedures", "tests")
            },
            names=list(CONCEPT_LOOK_UPS),
            members=[file.member for file in CONCEPT_LOOK_UPS.values()],
            code=code_hash(SCRIPTS / "concept_codes.py"),
        message:
            "Read what the codes of {params.inputs} are"
        script:
            "../scripts/concept_codes.py"

    rule concept_events:
        input:
            **CONCEPT_TABLES,
            cohort="<results>/cohort/shards/{shard}.parquet",
            codes=CONCEPT_CODES,
        output:
            events="<results>/concepts/events/{shard}.parquet",
            outcomes="<results>/concepts/outcomes/{shard}.parquet",
        log:
            "<logs>/concept_events/{shard}.log",
        benchmark:
            "<benchmarks>/concept_events/{shard}.jsonl"
        conda:
            "../envs/etl.yaml"
        threads: 1
        resources:
            mem_mb=memory(1000, per_mb=60, jobs=len(SHARDS)),
            runtime=minutes(15, per_mb=1, jobs=len(SHARDS)),
        params:
            shard=lambda wildcards: int(wildcards.shard),
            database=DATABASE.name,
            inputs=config["inputs"],
            level=config["concepts"]["procedures"]["level"],
            measurements=config["concepts"]["measurements"],
            code=code_hash(SCRIPTS / "concept_events.py"),
        message:
            "Turn the records of {params.inputs} of shard {wildcards.shard} into events"
        script:
            "../scripts/concept_events.py"
