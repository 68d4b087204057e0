"""Tables 1 and 2 with the dearer baselines, for `snakemake paper`.

In: the scores of every model, those of `more_models` too.
Out: tables/table1_more.csv and tables/table2_more.csv.
"""


rule table_more:
    input:
        metrics=expand(
            "<results>/evaluation/{task}/{model}.parquet",
            task=TASKS,
            model=[*EVERY_MODEL, *ORACLE],
        ),
    output:
        table=report(
            "<results>/tables/table{number}_more.csv",
            caption="../workflow/report/table_more.rst",
            category="Models",
            subcategory="More models",
            labels={
                "shows": "Table {number} with every model of `more_models`",
                "as": "table",
            },
        ),
    log:
        "<logs>/table_more/{number}.log",
    benchmark:
        "<benchmarks>/table_more/{number}.jsonl"
    wildcard_constraints:
        number="[12]",
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=60,
    params:
        label_set=lambda wildcards: {"1": "all", "2": "first_incidence"}[
            wildcards.number
        ],
        tasks=TASKS,
        models=[*EVERY_MODEL, *ORACLE],
        reference=config["evaluation"]["reference"],
        resamples=config["evaluation"]["resamples"],
        seed=config["seed"],
        protocol=config["protocol"],
        data=config["source"],
        disclosure=DISCLOSURE,
        code=code_hash(SCRIPTS / "table_models.py"),
    message:
        "Tabulate every model, table {wildcards.number}"
    script:
        "../scripts/table_models.py"
