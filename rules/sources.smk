"""Read a MEDS dataset or an OMOP folder (source `meds` or `omop`), in place of CPRD's stages.

In: the files of the dataset and, with `caliber`, the phenotypes.
Out: imported/<table>/<first part>.parquet, the records of one file or of several small ones, with a
manifest; words.parquet, what
each code becomes; then the same files as CPRD's stages write: meds/, cohort/flow.parquet and
unmapped.parquet. With `inputs` beyond diagnoses, concepts/ has the same for them.
"""

CONCEPTS = concepts_in(config["inputs"])
INPUT_RECORDS = [
    f"<results>/concepts/imported/{table}/{part}.parquet"
    for table, part in INPUT_PARTS
    if CONCEPTS
]
CONCEPT_SHARDS = (
    expand("<results>/concepts/outcomes/{shard}.parquet", shard=SHARDS)
    if CONCEPTS
    else []
)
TEST_RANGES = (
    {"tests": config["codes"]["tests"]}
    if config["codes"]["tests"] and "tests" in CONCEPTS
    else {}
)

IMPORTED_PARTS = [
    f"<results>/imported/{table}/{part}.parquet" for table, part in IMPORTED
]
LISTS = {
    name: f"<results>/phenotypes/{name}.parquet"
    for name in ("phenotypes", "icd", "read_codes")
    if config["caliber"]
} | {
    name: config["codes"][name]
    for name in ("crosswalk", "snomed")
    if config["codes"][name]
}


rule import_part:
    input:
        sources=lambda wildcards: [
            part.path for part in IMPORTED[wildcards.table, wildcards.part]
        ],
    output:
        records=removable("<results>/imported/{table}/{part}.parquet"),
        manifest="<results>/imported/{table}/{part}.json",
    log:
        "<logs>/import_part/{table}/{part}.log",
    benchmark:
        "<benchmarks>/import_part/{table}/{part}.jsonl"
    conda:
        "../envs/etl.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000, per_mb=60),
        runtime=minutes(15, per_mb=1),
    params:
        content=lambda wildcards: content_of(
            [part.path for part in IMPORTED[wildcards.table, wildcards.part]]
        ),
        layout=config["source"],
        table=lambda wildcards: wildcards.table,
        shards=config["shards"],
        maximum_refused=config["extract"]["maximum_refused"],
        systems=config[config["source"]]["systems"],
        own=config["codes"]["own"],
        lists=config["caliber"] is not None,
        structure=config["meds"]["structure"],
        condition=config["omop"]["condition"],
        blank=config["extract"]["blank"],
        code=code_hash(SCRIPTS / "import_part.py"),
    message:
        "Read {wildcards.table}, from part {wildcards.part} on"
    script:
        "../scripts/import_part.py"


rule words:
    input:
        **LISTS,
        **DESCRIPTION,
        records=IMPORTED_PARTS,
    output:
        words="<results>/words.parquet",
        listed="<results>/listed.parquet",
        manifest="<results>/words.json",
    log:
        "<logs>/words.log",
    benchmark:
        "<benchmarks>/words.jsonl"
    conda:
        "../envs/etl.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000, per_mb=40),
        runtime=minutes(15, per_mb=1),
    params:
        content=lambda wildcards: content_of(*LISTS.values(), *DESCRIPTION.values()),
        shards=config["shards"],
        systems=config[config["source"]]["systems"],
        own=config["codes"]["own"],
        ambiguous=config["codes"]["ambiguous"],
        minimum_patients=config["codes"]["minimum_patients"],
        code=code_hash(SCRIPTS / "words.py"),
    message:
        "Decide what each code becomes"
    script:
        "../scripts/words.py"


if CONCEPTS:

    rule import_inputs:
        input:
            **TEST_RANGES,
            sources=lambda wildcards: [
                part.path for part in INPUT_PARTS[wildcards.table, wildcards.part]
            ],
        output:
            records=removable("<results>/concepts/imported/{table}/{part}.parquet"),
            manifest="<results>/concepts/imported/{table}/{part}.json",
        log:
            "<logs>/import_inputs/{table}/{part}.log",
        benchmark:
            "<benchmarks>/import_inputs/{table}/{part}.jsonl"
        conda:
            "../envs/etl.yaml"
        threads: 1
        resources:
            mem_mb=memory(1000, per_mb=60),
            runtime=minutes(15, per_mb=1),
        params:
            content=lambda wildcards: content_of(
                [part.path for part in INPUT_PARTS[wildcards.table, wildcards.part]],
                *TEST_RANGES.values(),
            ),
            layout=config["source"],
            table=lambda wildcards: wildcards.table,
            shards=config["shards"],
            maximum_refused=config["extract"]["maximum_refused"],
            concepts=CONCEPTS,
            bands=config["concepts"]["measurements"],
            input_codes=config["meds"]["input_codes"],
            columns=config["meds"]["columns"],
            measurements=config["omop"]["measurements"],
            blank=config["extract"]["blank"],
            code=code_hash(SCRIPTS / "import_inputs.py"),
        message:
            "Read other inputs in {wildcards.table}, from part {wildcards.part} on"
        script:
            "../scripts/import_inputs.py"

    rule input_words:
        input:
            **INPUT_DESCRIPTION,
            records=INPUT_RECORDS,
        output:
            words="<results>/concepts/words.parquet",
            descriptions="<results>/concepts/descriptions.parquet",
        log:
            "<logs>/input_words.log",
        benchmark:
            "<benchmarks>/input_words.jsonl"
        conda:
            "../envs/etl.yaml"
        threads: 1
        resources:
            mem_mb=memory(1000, per_mb=40),
            runtime=minutes(15, per_mb=1),
        params:
            content=lambda wildcards: content_of(*INPUT_DESCRIPTION.values()),
            layout=config["source"],
            shards=config["shards"],
            level=config["concepts"]["medications"]["level"],
            characters=config["concepts"]["procedures"]["level"],
            code=code_hash(SCRIPTS / "input_words.py"),
        message:
            "Decide what the codes of other inputs become"
        script:
            "../scripts/input_words.py"


rule import_events:
    input:
        **(
            {
                "inputs": INPUT_RECORDS,
                "input_words": "<results>/concepts/words.parquet",
            }
            if CONCEPTS
            else {}
        ),
        records=IMPORTED_PARTS,
        words="<results>/words.parquet",
    output:
        **(
            {"concept_outcomes": "<results>/concepts/outcomes/{shard}.parquet"}
            if CONCEPTS
            else {}
        ),
        events="<results>/meds/data/{shard}.parquet",
        unmapped="<results>/unmapped/{shard}.parquet",
        counts="<results>/cohort/shards/{shard}_flow.parquet",
    log:
        "<logs>/import_events/{shard}.log",
    benchmark:
        "<benchmarks>/import_events/{shard}.jsonl"
    conda:
        "../envs/etl.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000, per_mb=120, jobs=len(SHARDS)),
        runtime=minutes(15, per_mb=1, jobs=len(SHARDS)),
    params:
        shard=lambda wildcards: int(wildcards.shard),
        concepts=CONCEPTS,
        code=code_hash(SCRIPTS / "import_events.py"),
    message:
        "Turn the records of shard {wildcards.shard} into events"
    script:
        "../scripts/import_events.py"


rule import_metadata:
    input:
        **(
            {
                "descriptions": "<results>/concepts/descriptions.parquet",
                "concept_shards": CONCEPT_SHARDS,
            }
            if CONCEPTS
            else {}
        ),
        listed="<results>/listed.parquet",
        shards=expand("<results>/meds/data/{shard}.parquet", shard=SHARDS),
        unmapped=expand("<results>/unmapped/{shard}.parquet", shard=SHARDS),
        counts=expand("<results>/cohort/shards/{shard}_flow.parquet", shard=SHARDS),
    output:
        **(
            {"concept_outcomes": "<results>/concepts/outcomes.parquet"}
            if CONCEPTS
            else {}
        ),
        codes="<results>/meds/metadata/codes.parquet",
        dataset="<results>/meds/metadata/dataset.json",
        unmapped_codes="<results>/unmapped.parquet",
        flow="<results>/cohort/flow.parquet",
    log:
        "<logs>/import_metadata.log",
    benchmark:
        "<benchmarks>/import_metadata.jsonl"
    conda:
        "../envs/etl.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000, per_mb=10),
        runtime=minutes(15, per_mb=0.2),
    params:
        name=config["run"],
        code=code_hash(SCRIPTS / "import_metadata.py"),
    message:
        "Describe the MEDS dataset"
    script:
        "../scripts/import_metadata.py"
