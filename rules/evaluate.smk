"""Score one model on the held-out patients, patient by patient.

In: a model's predictions and the task's labels.
Out: evaluation/<task>/<model>.parquet, one row per patient, which no table shows. A variant of the
run has its files in its own folder (behrt.variants).
"""


rule evaluate:
    input:
        examples=EXAMPLES,
        scores="<results>/{variant}predictions/{task}/{model}.parquet",
        vocabulary="<results>/vocabulary.json",
    output:
        metrics="<results>/{variant}evaluation/{task}/{model}.parquet",
    log:
        "<logs>/{variant}evaluate/{task}/{model}.log",
    benchmark:
        "<benchmarks>/{variant}evaluate/{task}/{model}.jsonl"
    priority: 1
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000, per_mb=10),
        runtime=minutes(15, per_mb=0.2),
    params:
        task=lambda wildcards: plain(TASK[wildcards.task]),
        code=code_hash(SCRIPTS / "evaluate.py"),
    message:
        "Score {wildcards.variant}{wildcards.model} on {wildcards.task}"
    script:
        "../scripts/evaluate.py"
