"""Assess the models beyond tables 1 and 2: averages, calibration, decision curves, subgroups.

In: predictions and labels of the tuning patients, on whom risks are recalibrated, and of the
held-out patients, who are evaluated.
Out: assessment/<task>/, whose recalibration.json turns the models' scores into risks.
"""


rule assess:
    input:
        examples=EXAMPLES,
        scores=expand("<results>/predictions/{{task}}/{model}.parquet", model=MODELS),
        metrics=expand("<results>/evaluation/{{task}}/{model}.parquet", model=MODELS),
        vocabulary="<results>/vocabulary.json",
    output:
        recalibration="<results>/assessment/{task}/recalibration.json",
        averages="<results>/assessment/{task}/averages.parquet",
        calibration="<results>/assessment/{task}/calibration.parquet",
        reliability="<results>/assessment/{task}/reliability.parquet",
        net_benefit="<results>/assessment/{task}/net_benefit.parquet",
        burden="<results>/assessment/{task}/burden.parquet",
    log:
        "<logs>/assess/{task}.log",
    benchmark:
        "<benchmarks>/assess/{task}.jsonl"
    priority: 1
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000, per_mb=3),
        runtime=minutes(30, per_mb=0.2),
    params:
        task=lambda wildcards: plain(TASK[wildcards.task]),
        recall_at=config["evaluation"]["recall_at"],
        diseases=config["evaluation"]["decision_diseases"],
        bootstrap=dict(resamples=config["evaluation"]["resamples"], seed=config["seed"]),
        code=code_hash(SCRIPTS / "assess.py"),
    message:
        "Assess the models on {wildcards.task}"
    script:
        "../scripts/assess.py"
