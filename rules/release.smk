"""Gather what may leave a secure environment (target `release`).

In: every table, figure and page of `all`, of `paper` what exists; with `disclosure.weights`, the models.
Out: release/, which the scan has gone through, with release/manifest.json: a sha256 a file, the
rules, the counts hidden in each, and what was withheld, and why.
"""

PIECES = list(rules.all.input)
if "paper" in [rule.name for rule in workflow.rules]:  # what of it was made already
    PIECES += [
        path
        for path in rules.paper.input
        if path not in PIECES
        and Path(str(path).replace("<results>", RESULTS)).is_file()
    ]
WEIGHTS = (
    [
        f"<results>/models/{place}/model.safetensors"
        for place in (
            "mlm",
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
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
        runtime=60,
    params:
        settings=config,
        disclosure=DISCLOSURE,
        code=code_hash(
            SCRIPTS / "release.py",
            "release/relations.toml",
            *(f"behrt.models.{model['kind']}" for model in MODELS.values()),
        ),
    message:
        "Gather what may be released"
    script:
        "../scripts/release.py"
