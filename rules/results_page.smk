"""The results page: what was run and what came of it, on one page; and the model card.

In: the tables and figures of the target `all` (report.html) or `paper` (paper.html), and every
model's settings.
Out: report.html, paper.html, model_card.md.
"""

PAGE_FILES = [
    "figures.toml",
    "model_card.md.jinja",
    "model_card.toml",
    "page.html.jinja",
    "published.csv",
    "tripod_ai.csv",
]

RUN_FILES = dict(
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
)
RUN_FACTS = dict(
    run=config["run"],
    data=config["source"],
    protocol=config["protocol"],
    seed=config["seed"],
    resamples=config["evaluation"]["resamples"],
    threshold=DISCLOSURE["threshold"],
)


rule results_page:
    input:
        **RUN_FILES,
        figures=lambda wildcards: expand(
            "<results>/figures/{figure}.png",
            figure=FIGURES_MADE + FIGURES_OF_PAPER * (wildcards.page == "paper"),
        ),
        tables=lambda wildcards: expand(
            "<results>/tables/{table}.csv",
            table=TABLES_MADE + TABLES_OF_PAPER * (wildcards.page == "paper"),
        ),
    output:
        page=report(
            "<results>/{page}.html",
            caption="../workflow/report/results_page.rst",
            category="Start here",
            labels={"shows": "Results page ({page}.html)"},
        ),
    log:
        "<logs>/results_page/{page}.log",
    benchmark:
        "<benchmarks>/results_page/{page}.jsonl"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=15,
    params:
        told=RUN_FACTS,
        code=code_hash(
            SCRIPTS / "results_page.py",
            *(f"page/{name}" for name in PAGE_FILES),
        ),
    message:
        "Write {wildcards.page}.html"
    script:
        "../scripts/results_page.py"


rule model_card:
    input:
        **RUN_FILES,
    output:
        card=report(
            "<results>/model_card.md",
            caption="../workflow/report/model_card.rst",
            category="Start here",
            labels={"shows": "Model card"},
        ),
    log:
        "<logs>/model_card.log",
    benchmark:
        "<benchmarks>/model_card.jsonl"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=15,
    params:
        told=RUN_FACTS,
        code=code_hash(
            SCRIPTS / "model_card.py",
            *(f"page/{name}" for name in PAGE_FILES),
        ),
    message:
        "Write the model card"
    script:
        "../scripts/model_card.py"
