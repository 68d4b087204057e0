"""Assess the models beyond tables 1 and 2: averages, calibration, decision curves, subgroups.

In: predictions and labels of the tuning patients, on whom risks are recalibrated, and of the
held-out patients, who are scored.
Out: assessment/<task>/, whose recalibration.json turns the models' scores into risks; then
tables/ and figures/, as they are named and with the ending _all for all eligible patients, also
those to whom nothing happens: only these risks are those of a population.
"""

POPULATIONS = {"": TASKS, "_all": ON_ALL_ELIGIBLE}
WHO = {"": "", "_all": ", all eligible patients"}


wildcard_constraints:
    population="(_all)?",


rule assess:
    input:
        task=EXAMPLES,
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
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
        runtime=120,
    params:
        labelled=lambda wildcards: TASK[wildcards.task].labelled,
        recall_at=config["evaluation"]["recall_at"],
        diseases=config["evaluation"]["decision_diseases"],
        resamples=config["evaluation"]["resamples"],
        seed=config["seed"],
        task_name=lambda wildcards: wildcards.task,
        code=code_hash(SCRIPTS / "assess.py"),
    message:
        "Assess the models on {wildcards.task}"
    script:
        "../scripts/assess.py"


rule table_averages:
    input:
        averages=lambda wildcards: expand(
            "<results>/assessment/{task}/averages.parquet",
            task=POPULATIONS[wildcards.population],
        ),
    output:
        table=report(
            "<results>/tables/metrics{population}.csv",
            caption="../workflow/report/table_averages.rst",
            category="Models",
            subcategory="Every average",
            labels=lambda wildcards: {
                "shows": f"Every way to average, every model{WHO[wildcards.population]}",
                "as": "table",
            },
        ),
    log:
        "<logs>/table_averages{population}.log",
    benchmark:
        "<benchmarks>/table_averages{population}.jsonl"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=60,
    params:
        resamples=config["evaluation"]["resamples"],
        seed=config["seed"],
        protocol=config["protocol"],
        data=config["source"],
        disclosure=DISCLOSURE,
        reference=config["evaluation"]["reference"],
        code=code_hash(SCRIPTS / "table_averages.py"),
    message:
        "Tabulate every average"
    script:
        "../scripts/table_averages.py"


rule table_calibration:
    input:
        calibration=lambda wildcards: expand(
            "<results>/assessment/{task}/calibration.parquet",
            task=POPULATIONS[wildcards.population],
        ),
        reliability=lambda wildcards: expand(
            "<results>/assessment/{task}/reliability.parquet",
            task=POPULATIONS[wildcards.population],
        ),
    output:
        table=report(
            "<results>/tables/calibration{population}.csv",
            caption="../workflow/report/table_calibration.rst",
            category="Models",
            subcategory="Calibration",
            labels=lambda wildcards: {
                "shows": f"Calibration of every model{WHO[wildcards.population]}",
                "as": "table",
            },
        ),
        points=report(
            "<results>/tables/reliability{population}.csv",
            caption="../workflow/report/table_reliability.rst",
            category="Models",
            subcategory="Calibration",
            labels=lambda wildcards: {
                "shows": f"Points of the reliability plots{WHO[wildcards.population]}",
                "as": "table",
            },
        ),
    log:
        "<logs>/table_calibration{population}.log",
    benchmark:
        "<benchmarks>/table_calibration{population}.jsonl"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=60,
    params:
        resamples=config["evaluation"]["resamples"],
        seed=config["seed"],
        protocol=config["protocol"],
        data=config["source"],
        disclosure=DISCLOSURE,
        code=code_hash(SCRIPTS / "table_calibration.py"),
    message:
        "Tabulate the calibration"
    script:
        "../scripts/table_calibration.py"


rule table_decision:
    input:
        net_benefit=lambda wildcards: expand(
            "<results>/assessment/{task}/net_benefit.parquet",
            task=POPULATIONS[wildcards.population],
        ),
        vocabulary="<results>/vocabulary.json",
    output:
        table=report(
            "<results>/tables/decision{population}.csv",
            caption="../workflow/report/table_decision.rst",
            category="Models",
            subcategory="Decision curves",
            labels=lambda wildcards: {
                "shows": f"Net benefit of every model{WHO[wildcards.population]}",
                "as": "table",
            },
        ),
    log:
        "<logs>/table_decision{population}.log",
    benchmark:
        "<benchmarks>/table_decision{population}.jsonl"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=60,
    params:
        resamples=config["evaluation"]["resamples"],
        seed=config["seed"],
        protocol=config["protocol"],
        data=config["source"],
        disclosure=DISCLOSURE,
        code=code_hash(SCRIPTS / "table_decision.py"),
    message:
        "Tabulate the decision curves"
    script:
        "../scripts/table_decision.py"


rule table_subgroups:
    input:
        sequences=SEQUENCES,
        examples=lambda wildcards: expand(
            "<results>/tasks/{task}.parquet",
            task=map(key_of, POPULATIONS[wildcards.population]),
        ),
        metrics=lambda wildcards: expand(
            "<results>/evaluation/{task}/{model}.parquet",
            task=POPULATIONS[wildcards.population],
            model=MODELS,
        ),
        burdens=lambda wildcards: expand(
            "<results>/assessment/{task}/burden.parquet",
            task=POPULATIONS[wildcards.population],
        ),
    output:
        table=report(
            "<results>/tables/subgroups{population}.csv",
            caption="../workflow/report/table_subgroups.rst",
            category="Models",
            subcategory="Subgroups",
            labels=lambda wildcards: {
                "shows": f"Scores by sex, age, region and practice{WHO[wildcards.population]}",
                "as": "table",
            },
        ),
    log:
        "<logs>/table_subgroups{population}.log",
    benchmark:
        "<benchmarks>/table_subgroups{population}.jsonl"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=60,
    params:
        resamples=config["evaluation"]["resamples"],
        seed=config["seed"],
        protocol=config["protocol"],
        data=config["source"],
        disclosure=DISCLOSURE,
        code=code_hash(SCRIPTS / "table_subgroups.py"),
    message:
        "Tabulate the subgroups"
    script:
        "../scripts/table_subgroups.py"


rule figure_calibration:
    input:
        table="<results>/tables/calibration{population}.csv",
        points="<results>/tables/reliability{population}.csv",
    output:
        png=report(
            "<results>/figures/calibration{population}.png",
            caption="../workflow/report/figure_calibration.rst",
            category="Models",
            subcategory="Calibration",
            labels=lambda wildcards: {
                "shows": f"Reliability plots{WHO[wildcards.population]}",
                "as": "PNG",
            },
        ),
        svg=report(
            "<results>/figures/calibration{population}.svg",
            caption="../workflow/report/figure_calibration.rst",
            category="Models",
            subcategory="Calibration",
            labels=lambda wildcards: {
                "shows": f"Reliability plots{WHO[wildcards.population]}",
                "as": "SVG",
            },
        ),
    log:
        "<logs>/figure_calibration{population}.log",
    benchmark:
        "<benchmarks>/figure_calibration{population}.jsonl"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=15,
    params:
        reference=config["evaluation"]["reference"],
        data=config["source"],
        code=code_hash(SCRIPTS / "figure_calibration.py"),
    message:
        "Draw the calibration"
    script:
        "../scripts/figure_calibration.py"


rule figure_decision:
    input:
        table="<results>/tables/decision{population}.csv",
    output:
        png=report(
            "<results>/figures/decision{population}.png",
            caption="../workflow/report/figure_decision.rst",
            category="Models",
            subcategory="Decision curves",
            labels=lambda wildcards: {
                "shows": f"Decision curves{WHO[wildcards.population]}",
                "as": "PNG",
            },
        ),
        svg=report(
            "<results>/figures/decision{population}.svg",
            caption="../workflow/report/figure_decision.rst",
            category="Models",
            subcategory="Decision curves",
            labels=lambda wildcards: {
                "shows": f"Decision curves{WHO[wildcards.population]}",
                "as": "SVG",
            },
        ),
    log:
        "<logs>/figure_decision{population}.log",
    benchmark:
        "<benchmarks>/figure_decision{population}.jsonl"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=15,
    params:
        reference=config["evaluation"]["reference"],
        data=config["source"],
        code=code_hash(SCRIPTS / "figure_decision.py"),
    message:
        "Draw the decision curves"
    script:
        "../scripts/figure_decision.py"


rule figure_subgroups:
    input:
        table="<results>/tables/subgroups{population}.csv",
    output:
        png=report(
            "<results>/figures/subgroups{population}.png",
            caption="../workflow/report/figure_subgroups.rst",
            category="Models",
            subcategory="Subgroups",
            labels=lambda wildcards: {
                "shows": f"Scores by sex, age, region and practice{WHO[wildcards.population]}",
                "as": "PNG",
            },
        ),
        svg=report(
            "<results>/figures/subgroups{population}.svg",
            caption="../workflow/report/figure_subgroups.rst",
            category="Models",
            subcategory="Subgroups",
            labels=lambda wildcards: {
                "shows": f"Scores by sex, age, region and practice{WHO[wildcards.population]}",
                "as": "SVG",
            },
        ),
    log:
        "<logs>/figure_subgroups{population}.log",
    benchmark:
        "<benchmarks>/figure_subgroups{population}.jsonl"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=15,
    params:
        reference=config["evaluation"]["reference"],
        data=config["source"],
        code=code_hash(SCRIPTS / "figure_subgroups.py"),
    message:
        "Draw the subgroups"
    script:
        "../scripts/figure_subgroups.py"
