"""Draw each task's examples: where an input ends, and what is to be predicted.

In: the sequences.
Out: tasks/<task>.parquet, one row per eligible patient.
"""


rule task:
    input:
        sequences=SEQUENCES,
    output:
        examples="<results>/tasks/{task}.parquet",
    log:
        "<logs>/task/{task}.log",
    benchmark:
        "<benchmarks>/task/{task}.jsonl"
    wildcard_constraints:
        task="|".join(TASKS),
    conda:
        "../envs/etl.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000, per_mb=15),
        runtime=minutes(15, per_mb=1),
    params:
        task=lambda wildcards: plain(TASK[wildcards.task]),
        minimum_visits=config["examples"]["minimum_visits"],
        seed=config["seed"],
        cut_off=cut_off_of(config),
        code=code_hash(SCRIPTS / "task.py"),
    message:
        "Draw the examples of {wildcards.task}"
    script:
        "../scripts/task.py"
