"""Models side by side: from task to task, and disease by disease.

In: tables 1 and 2; every model's predictions for T2.
Out: tables/disease_differences.csv, figures/{trends,disease_differences}.{png,svg}.
"""


rule figure_trends:
    input:
        table1="<results>/tables/table1.csv",
        table2="<results>/tables/table2.csv",
    output:
        png=report(
            "<results>/figures/trends.png",
            caption="../workflow/report/figure_trends.rst",
            category="Models",
            subcategory="Trends",
            labels={"shows": "Figure S1: every model from task to task", "as": "PNG"},
        ),
        svg=report(
            "<results>/figures/trends.svg",
            caption="../workflow/report/figure_trends.rst",
            category="Models",
            subcategory="Trends",
            labels={"shows": "Figure S1: every model from task to task", "as": "SVG"},
        ),
    log:
        "<logs>/figure_trends.log",
    benchmark:
        "<benchmarks>/figure_trends.jsonl"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=15,
    params:
        data=config["source"],
        code=code_hash(SCRIPTS / "figure_trends.py"),
    message:
        "Draw the models from task to task"
    script:
        "../scripts/figure_trends.py"


rule table_disease_differences:
    input:
        task=f"<results>/tasks/{SHOWN_TASK}.parquet",
        scores=expand(
            f"<results>/predictions/{SHOWN_TASK}/{{model}}.parquet", model=MODELS
        ),
        vocabulary="<results>/vocabulary.json",
    output:
        table=report(
            "<results>/tables/disease_differences.csv",
            caption="../workflow/report/table_disease_differences.rst",
            category="Diseases",
            subcategory="Scores",
            labels={"shows": "Models against each other, by disease", "as": "table"},
        ),
    log:
        "<logs>/table_disease_differences.log",
    benchmark:
        "<benchmarks>/table_disease_differences.jsonl"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=60,
    params:
        references=REFERENCES,
        minimum_prevalence=config["evaluation"]["minimum_prevalence"],
        resamples=config["evaluation"]["resamples"],
        seed=config["seed"],
        protocol=config["protocol"],
        data=config["source"],
        disclosure=DISCLOSURE,
        task_name=SHOWN_TASK,
        code=code_hash(SCRIPTS / "table_disease_differences.py"),
    message:
        "Compare the models disease by disease"
    script:
        "../scripts/table_disease_differences.py"


rule figure_disease_differences:
    input:
        table="<results>/tables/disease_differences.csv",
    output:
        png=report(
            "<results>/figures/disease_differences.png",
            caption="../workflow/report/figure_disease_differences.rst",
            category="Diseases",
            subcategory="Scores",
            labels={"shows": "Models against each other, by disease", "as": "PNG"},
        ),
        svg=report(
            "<results>/figures/disease_differences.svg",
            caption="../workflow/report/figure_disease_differences.rst",
            category="Diseases",
            subcategory="Scores",
            labels={"shows": "Models against each other, by disease", "as": "SVG"},
        ),
    log:
        "<logs>/figure_disease_differences.log",
    benchmark:
        "<benchmarks>/figure_disease_differences.jsonl"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=15,
    params:
        model=config["evaluation"]["reference"],
        data=config["source"],
        protocol=config["protocol"],
        code=code_hash(SCRIPTS / "figure_disease_differences.py"),
    message:
        "Draw the models disease by disease"
    script:
        "../scripts/figure_disease_differences.py"
