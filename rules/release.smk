"""Gather the files that may leave a secure environment (target `release`).

In: every table, figure and page of `all`, and those of `paper` and `outcomes` that exist; with
`disclosure.weights`, the models.
Out: release/, all of whose files were scanned, with release/manifest.json: the SHA-256 of each
file, the rules, the number of counts hidden in each table, and what was withheld and why.
"""

PIECES = list(rules.all.input)
if "paper" in [rule.name for rule in workflow.rules]:  # those files of it that exist
    PIECES += [
        path
        for path in [*rules.paper.input, *rules.outcomes.input]
        if path not in PIECES
        and Path(str(path).replace("<results>", RESULTS)).is_file()
    ]
# MLM is part of every run.
PRETRAINED_FOLDERS = [
    folder
    for name, folder in PRETRAINING_FOLDERS.items()
    if name in ("mlm", *(model["pretrained"] for model in MODELS.values()))
]
WEIGHTS = (
    [
        f"<results>/models/{place}/model.safetensors"
        for place in (
            *PRETRAINED_FOLDERS,
            *(f"{task}/{model}" for task in TASKS for model in MODELS),
        )
    ]
    if config["disclosure"]["weights"]
    else []
)


rule release:
    input:
        files=PIECES,
        splits="<results>/meds/metadata/subject_splits.parquet",
        sequences=SEQUENCES,
        vocabulary="<results>/vocabulary.json",
        tasks=expand("<results>/tasks/{task}.parquet", task=TASKS),
        weights=WEIGHTS,
        recalibrations=expand(
            "<results>/assessment/{task}/recalibration.json",
            task=TASKS if WEIGHTS else [],
        ),
    output:
        manifest="<results>/release/manifest.json",
    log:
        "<logs>/release.log",
    benchmark:
        "<benchmarks>/release.jsonl"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000, per_mb=20),
        runtime=minutes(60, per_mb=1),
    params:
        settings=config,
        disclosure=DISCLOSURE,
        code=code_hash(
            SCRIPTS / "release.py",
            "release/relations.toml",
            *(f"behrt.models.{model['kind']}" for model in MODELS.values()),
        ),
    message:
        "Gather the files that may be released"
    script:
        "../scripts/release.py"
