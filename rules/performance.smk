"""Write what a run took by stage, and what the paper's size would take (target `performance`).

In: Snakemake's measurements of all jobs so far (benchmarks/), the sizes of the run's files, and the
number of patients in the cohort.
Out: performance.html, which differs from run to run and is in no list of checksums.
"""

# Jobs that do not make the page again.
ABOUT_THE_RUN = ("checksums", "performance", "release", "resources")
IN_RESULTS = f"^{re.escape(RESULTS)}/"
STAGES = lambda: {
    stage: [
        regex_from_filepattern(re.sub(IN_RESULTS, "", str(path))).removesuffix("$")
        for each in workflow.rules
        if Path(each.snakefile).stem == stage
        for path in (*each.output, each.benchmark)
        if path and re.match(IN_RESULTS, str(path))
    ]
    for stage in dict.fromkeys(Path(each.snakefile).stem for each in workflow.rules)
}


rule performance:
    input:
        files=rules.all.input,
        cohort_flow="<results>/tables/cohort_flow.csv",
    output:
        page=reported(
            "<results>/performance.html", lambda wildcards: PAGE["performance"]
        ),
    log:
        "<logs>/performance.log",
    benchmark:
        "<benchmarks>/performance.jsonl"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=memory(500),
        runtime=minutes(15),
    params:
        content=lambda wildcards: content_of(
            path
            for path in Path(RESULTS, "benchmarks").rglob("*.jsonl")
            if path.stem not in ABOUT_THE_RUN
        ),
        run=config["run"],
        stages=lambda wildcards: [
            {"name": name, "paths": paths} for name, paths in STAGES().items() if paths
        ],
        growth=lambda wildcards: relative_work(
            config,
            yaml.safe_load(
                Path(workflow.source_path("../config/paper.yaml")).read_text()
            ),
            SHOWN_TASK,
        ),
        code=code_hash(SCRIPTS / "performance.py", "page/performance.html.jinja"),
        caption=lambda wildcards, output: caption_of(PAGE["performance"]),
    message:
        "Write performance.html"
    script:
        "../scripts/performance.py"
