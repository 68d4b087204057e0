"""The tables: aggregates only, small counts suppressed.

In: the cohort's flow, the sequences, the tasks, the MLM weights, and the scores of every model.
Out: tables/*.csv.
"""


rule table_cohort_flow:
    input:
        flow="<results>/cohort/flow.parquet",
    output:
        table=report(
            "<results>/tables/cohort_flow.csv",
            caption="../workflow/report/table_cohort_flow.rst",
            category="Patients",
            subcategory="Cohort flow",
            labels={"shows": "Patients left after each step", "as": "table"},
        ),
    log:
        "<logs>/table_cohort_flow.log",
    benchmark:
        "<benchmarks>/table_cohort_flow.jsonl"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=15,
    params:
        disclosure=DISCLOSURE,
        data=config["source"],
        code=code_hash(SCRIPTS / "table_cohort_flow.py"),
    message:
        "Tabulate the cohort's flow"
    script:
        "../scripts/table_cohort_flow.py"


rule table_population:
    input:
        sequences=SEQUENCES,
        tasks=expand("<results>/tasks/{task}.parquet", task=TASKS),
        flow="<results>/cohort/flow.parquet",
    output:
        table=report(
            "<results>/tables/population.csv",
            caption="../workflow/report/table_population.rst",
            category="Patients",
            subcategory="Population",
            labels={"shows": "Patients of each task and split", "as": "table"},
        ),
    log:
        "<logs>/table_population.log",
    benchmark:
        "<benchmarks>/table_population.jsonl"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=60,
    params:
        disclosure=DISCLOSURE,
        data=config["source"],
        code=code_hash(SCRIPTS / "table_population.py"),
    message:
        "Tabulate the population"
    script:
        "../scripts/table_population.py"


rule table1:
    input:
        metrics=METRICS,
    output:
        table=report(
            "<results>/tables/table1.csv",
            caption="../workflow/report/table1.rst",
            category="Models",
            subcategory="Table 1",
            labels={"shows": "Every model on every task, all labels", "as": "table"},
        ),
    log:
        "<logs>/table1.log",
    benchmark:
        "<benchmarks>/table1.jsonl"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=60,
    params:
        label_set="all",
        tasks=TASKS,
        models=COMPARED,
        reference=config["evaluation"]["reference"],
        resamples=config["evaluation"]["resamples"],
        seed=config["seed"],
        protocol=config["protocol"],
        data=config["source"],
        disclosure=DISCLOSURE,
        code=code_hash(SCRIPTS / "table_models.py"),
    message:
        "Tabulate every model, all labels"
    script:
        "../scripts/table_models.py"


rule table2:
    input:
        metrics=METRICS,
    output:
        table=report(
            "<results>/tables/table2.csv",
            caption="../workflow/report/table2.rst",
            category="Models",
            subcategory="Table 2",
            labels={
                "shows": "Every model on every task, first incidence",
                "as": "table",
            },
        ),
    log:
        "<logs>/table2.log",
    benchmark:
        "<benchmarks>/table2.jsonl"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=60,
    params:
        label_set="first_incidence",
        tasks=TASKS,
        models=COMPARED,
        reference=config["evaluation"]["reference"],
        resamples=config["evaluation"]["resamples"],
        seed=config["seed"],
        protocol=config["protocol"],
        data=config["source"],
        disclosure=DISCLOSURE,
        code=code_hash(SCRIPTS / "table_models.py"),
    message:
        "Tabulate every model, first incidence"
    script:
        "../scripts/table_models.py"


rule table_diseases:
    input:
        task=f"<results>/tasks/{SHOWN_TASK}.parquet",
        scores=REFERENCE_SCORES,
        beside=expand(
            f"<results>/predictions/{SHOWN_TASK}/{{model}}.parquet", model=YARDSTICKS
        ),
        vocabulary="<results>/vocabulary.json",
    output:
        table=report(
            "<results>/tables/diseases.csv",
            caption="../workflow/report/table_diseases.rst",
            category="Diseases",
            subcategory="Scores",
            labels={"shows": f"Scores of each disease in {SHOWN_TASK}", "as": "table"},
        ),
    log:
        "<logs>/table_diseases.log",
    benchmark:
        "<benchmarks>/table_diseases.jsonl"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=60,
    params:
        minimum_prevalence=config["evaluation"]["minimum_prevalence"],
        resamples=config["evaluation"]["resamples"],
        seed=config["seed"],
        protocol=config["protocol"],
        data=config["source"],
        disclosure=DISCLOSURE,
        model=config["evaluation"]["reference"],
        task_name=SHOWN_TASK,
        code=code_hash(SCRIPTS / "table_diseases.py"),
    message:
        "Tabulate the diseases"
    script:
        "../scripts/table_diseases.py"


rule table_neighbours:
    input:
        weights="<results>/models/mlm/model.safetensors",
        vocabulary="<results>/vocabulary.json",
        sequences=SEQUENCES,
    output:
        table=report(
            "<results>/tables/neighbours.csv",
            caption="../workflow/report/table_neighbours.rst",
            category="Diseases",
            subcategory="Embedding",
            labels={"shows": "Nearest diseases in the embedding", "as": "table"},
        ),
    log:
        "<logs>/table_neighbours.log",
    benchmark:
        "<benchmarks>/table_neighbours.jsonl"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=60,
    params:
        minimum_prevalence=config["evaluation"]["minimum_prevalence"],
        neighbours=config["evaluation"]["neighbours"],
        disclosure=DISCLOSURE,
        data=config["source"],
        protocol=config["protocol"],
        code=code_hash(SCRIPTS / "table_neighbours.py"),
    message:
        "Tabulate the diseases' neighbours"
    script:
        "../scripts/table_neighbours.py"
