"""Write the hash of every file of a run, to compare it with another run (target `checksums`).

In: every file of the run that is there, those of `all` at least.
Out: checksums.csv, without the files that hold times (`behrt.checksums.LEFT_OUT`).
"""


rule checksums:
    input:
        files=rules.all.input,
    output:
        table="<results>/checksums.csv",
    log:
        "<logs>/checksums.log",
    benchmark:
        "<benchmarks>/checksums.jsonl"
    conda:
        "../envs/etl.yaml"
    threads: 1
    resources:
        mem_mb=memory(200),
        runtime=minutes(60),
    params:
        content=lambda wildcards: checksums.state(Path(RESULTS)),
        code=code_hash(SCRIPTS / "checksums.py"),
    message:
        "Write the hash of every file of the run"
    script:
        "../scripts/checksums.py"
