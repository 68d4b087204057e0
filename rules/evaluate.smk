"""Score one model on the held-out patients, patient by patient.

In: a model's predictions and the task's labels.
Out: evaluation/<task>/<model>.parquet, one row a patient. Internal: tables show none of its rows.
"""


rule evaluate:
    input:
        task=EXAMPLES,
        scores="<results>/predictions/{task}/{model}.parquet",
        vocabulary="<results>/vocabulary.json",
    output:
        metrics="<results>/evaluation/{task}/{model}.parquet",
    log:
        "<logs>/evaluate/{task}/{model}.log",
    benchmark:
        "<benchmarks>/evaluate/{task}/{model}.jsonl"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=60,
    params:
        labelled=lambda wildcards: TASK[wildcards.task].labelled,
        task_name=lambda wildcards: wildcards.task,
        code=code_hash(SCRIPTS / "evaluate.py"),
    message:
        "Score {wildcards.model} on {wildcards.task}"
    script:
        "../scripts/evaluate.py"
