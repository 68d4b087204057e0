"""Compare what each rule requests with what a run has measured of its jobs (target `resources`).

In: the benchmark files of the run, as they are; nothing is made for it, and nothing runs again.
Out: resources.csv, one row per rule; the same is shown on the terminal.
"""


rule resources:
    output:
        advice="<results>/resources.csv",
    log:
        "<logs>/resources.log",
    localrule: True
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(15),
    params:
        content=lambda wildcards: content_of(f"{RESULTS}/benchmarks"),
        benchmarks=f"{RESULTS}/benchmarks",
        log_folder=f"{RESULTS}/logs",
        flow=f"{RESULTS}/cohort/flow.parquet",
        requests=lambda wildcards: requests_of(
            workflow.rules, Path(RESULTS, "benchmarks"), RESULTS
        ),
        planned_patients=config["planned_patients"],
        code=code_hash(SCRIPTS / "resources.py"),
    message:
        "Compare what was requested with what was measured"
    script:
        "../scripts/resources.py"
