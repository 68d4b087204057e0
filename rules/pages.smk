"""The pages: results pages, model card, map of the embeddings, explorer of simulated patients.

In: the tables and figures of the target `all` (report.html) or `paper` (paper.html), and every
model's settings; for the map the pretrained model; for the explorer a task's examples and a
fine-tuned BEHRT.
Out: report.html, paper.html, model_card.md, figures/embedding_map.html, figures/explorer.html.
"""

PAGE_FILES = [
    "page/model_card.md.jinja",
    "page/model_card.toml",
    "page/page.html.jinja",
    "page/published.csv",
    "page/tripod_ai.csv",
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
RUN = dict(
    data=config["source"],
    disclosure=DISCLOSURE,
    protocol=config["protocol"],
    resamples=config["evaluation"]["resamples"],
    seed=config["seed"],
    name=config["run"],
    split=config["split"]["by"],
)


rule results_page:
    input:
        **RUN_FILES,
        figures=lambda wildcards: [
            f"<results>/figures/{product.name}.png"
            for product in products_on(wildcards.page, "figure")
        ],
        tables=lambda wildcards: [
            f"<results>/tables/{product.name}.csv"
            for product in products_on(wildcards.page, "table")
        ],
    output:
        page=reported("<results>/{page}.html", lambda wildcards: PAGE[wildcards.page]),
    log:
        "<logs>/results_page/{page}.log",
    benchmark:
        "<benchmarks>/results_page/{page}.jsonl"
    wildcard_constraints:
        page="report|paper",
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(15),
    params:
        run=RUN,
        tasks=plain(tasks_of(config)),
        task=plain(TASK[SHOWN_TASK]),
        captions=lambda wildcards: {
            f"{kind}s/{product.name}": caption_of(product)
            for kind in ("figure", "table")
            for product in products_on(wildcards.page, kind)
        },
        code=code_hash(SCRIPTS / "results_page.py", "catalogue.toml", *PAGE_FILES),
        caption=lambda wildcards, output: caption_of(PAGE[wildcards.page]),
    message:
        "Write {wildcards.page}.html"
    script:
        "../scripts/results_page.py"


if OUTCOMES:

    rule outcomes_page:
        input:
            figures=[
                f"<results>/figures/{name}.png"
                for name, product in FIGURE.items()
                if product.target == "outcomes"
            ],
            tables=[
                f"<results>/tables/{name}.csv"
                for name, product in TABLE.items()
                if product.target == "outcomes"
            ],
        output:
            page=reported("<results>/outcomes.html", lambda wildcards: PAGE["outcomes"]),
        log:
            "<logs>/outcomes_page.log",
        benchmark:
            "<benchmarks>/outcomes_page.jsonl"
        conda:
            "../envs/analysis.yaml"
        threads: 1
        resources:
            mem_mb=memory(1000),
            runtime=minutes(15),
        params:
            run={
                name: RUN[name]
                for name in (
                    "data",
                    "disclosure",
                    "protocol",
                    "resamples",
                    "seed",
                    "name",
                )
            },
            outcomes=SETTINGS["outcomes"],
            captions=lambda wildcards: {
                f"{product.kind}s/{product.name}": caption_of(product)
                for product in PRODUCTS
                if product.target == "outcomes" and product.kind != "page"
            },
            code=code_hash(
                SCRIPTS / "outcomes_page.py",
                "page/outcomes.html.jinja",
                "page/tripod_outcomes.csv",
            ),
            caption=lambda wildcards, output: caption_of(PAGE["outcomes"]),
        message:
            "Write outcomes.html"
        script:
            "../scripts/outcomes_page.py"


rule model_card:
    input:
        **RUN_FILES,
    output:
        card=reported("<results>/model_card.md", lambda wildcards: PAGE["model_card"]),
    log:
        "<logs>/model_card.log",
    benchmark:
        "<benchmarks>/model_card.jsonl"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(15),
    params:
        run=RUN,
        tasks=plain(tasks_of(config)),
        task=plain(TASK[SHOWN_TASK]),
        code=code_hash(SCRIPTS / "model_card.py", *PAGE_FILES),
        caption=lambda wildcards, output: caption_of(PAGE["model_card"]),
    message:
        "Write the model card"
    script:
        "../scripts/model_card.py"


rule embedding_page:
    input:
        weights="<results>/models/mlm/model.safetensors",
        vocabulary="<results>/vocabulary.json",
        sequences=SEQUENCES,
    output:
        page=reported(
            "<results>/figures/embedding_map.html",
            lambda wildcards: PAGE["embedding_map"],
            "page",
        ),
    log:
        "<logs>/embedding_page.log",
    benchmark:
        "<benchmarks>/embedding_page.jsonl"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000, per_mb=40),
        runtime=minutes(30, per_mb=1),
    params:
        run={name: RUN[name] for name in ("data", "disclosure", "protocol", "seed")},
        neighbours=config["evaluation"]["neighbours"],
        code=code_hash(
            SCRIPTS / "embedding_page.py", "figures/pages/embedding_map.html.jinja"
        ),
        caption=lambda wildcards, output: caption_of(PAGE["embedding_map"]),
    message:
        "Write the page of the embedding map"
    script:
        "../scripts/embedding_page.py"


if EXPLAINED:
    EXPLORER_FILES = dict(
        sequences=SEQUENCES,
        task_examples=f"<results>/tasks/{SHOWN_TASK}.parquet",
        vocabulary="<results>/vocabulary.json",
        weights=f"<results>/models/{SHOWN_TASK}/{EXPLAINED}/model.safetensors",
        model_config=f"<results>/models/{SHOWN_TASK}/{EXPLAINED}/config.json",
    )
    EXPLORER_SETTINGS = dict(
        run={
            name: RUN[name]
            for name in ("data", "disclosure", "protocol", "seed", "name")
        },
        task=plain(TASK[SHOWN_TASK]),
        model=EXPLAINED,
        patients=12,
        diagnoses=[8, 16],
        most_visits=14,
        predictions=10,
    )
    EXPLORER_PAGE = [
        "figures/pages/explorer.html",
        "figures/pages/explorer.css",
        "figures/pages/explorer.js",
    ]

    rule explorer:
        input:
            **EXPLORER_FILES,
        output:
            explorer=reported(
                "<results>/figures/explorer.html",
                lambda wildcards: PAGE["explorer"],
            ),
        log:
            "<logs>/explorer.log",
        benchmark:
            "<benchmarks>/explorer.jsonl"
        conda:
            "../envs/analysis.yaml"
        threads: 1
        resources:
            mem_mb=memory(1500, per_mb=60),
            runtime=minutes(30, per_mb=1),
        params:
            **EXPLORER_SETTINGS,
            code=code_hash(SCRIPTS / "explorer.py", *EXPLORER_PAGE),
            caption=lambda wildcards, output: caption_of(PAGE["explorer"]),
        message:
            "Write the explorer"
        script:
            "../scripts/explorer.py"


if EXPLAINED and FORESEEING:

    rule explorer_trajectories:
        input:
            **EXPLORER_FILES,
            trained=f"<results>/trained/{SHOWN_TASK}/{FORESEEING}",
        output:
            explorer=reported(
                "<results>/figures/explorer_trajectories.html",
                lambda wildcards: PAGE["explorer_trajectories"],
            ),
        log:
            "<logs>/explorer_trajectories.log",
        benchmark:
            "<benchmarks>/explorer_trajectories.jsonl"
        conda:
            "../envs/analysis.yaml"
        threads: 1
        resources:
            mem_mb=memory(1500, per_mb=60),
            runtime=minutes(30, per_mb=1),
        params:
            **EXPLORER_SETTINGS,
            futures=1000,
            code=code_hash(
                SCRIPTS / "explorer.py",
                *EXPLORER_PAGE,
                f"behrt.models.{EVERY_MODEL[FORESEEING]['kind']}",
            ),
            caption=lambda wildcards, output: caption_of(PAGE["explorer_trajectories"]),
        message:
            "Write the explorer with sampled futures"
        script:
            "../scripts/explorer.py"
