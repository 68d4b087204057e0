"""The results page: what was run and what came of it, on one page; and the model card.

In: the tables and figures of the default run, and every model's settings.
Out: report.html, model_card.md.
"""

PAGE_FILES = [
    "figures.toml",
    "model_card.md.jinja",
    "model_card.toml",
    "page.html.jinja",
    "published.csv",
    "tripod_ai.csv",
]


rule results_page:
    input:
        cohort_flow="<results>/tables/cohort_flow.csv",
        population="<results>/tables/population.csv",
        table1="<results>/tables/table1.csv",
        table2="<results>/tables/table2.csv",
        models=[
            "<results>/models/mlm/config.json",
            *expand(
                "<results>/models/{task}/{model}/config.json", task=TASKS, model=MODELS
            ),
        ],
        figures=expand("<results>/figures/{figure}.png", figure=FIGURES_MADE),
        tables=expand("<results>/tables/{table}.csv", table=TABLES_MADE),
    output:
        page=report(
            "<results>/report.html",
            caption="../workflow/report/results_page.rst",
            category="Start here",
            labels={"shows": "Results page", "as": "page"},
        ),
        card="<results>/model_card.md",
    log:
        "<logs>/results_page.log",
    benchmark:
        "<benchmarks>/results_page.jsonl"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=15,
    params:
        run=config["run"],
        data=config["source"],
        protocol=config["protocol"],
        seed=config["seed"],
        resamples=config["evaluation"]["resamples"],
        threshold=config["evaluation"]["threshold"],
        code=code_hash(
            SCRIPTS / "results_page.py",
            *(f"page/{name}" for name in PAGE_FILES),
        ),
    message:
        "Write the results page and the model card"
    script:
        "../scripts/results_page.py"
