"""The figures, each as PNG and SVG; the embedding map as an interactive page besides.

In: tables, the sequences and the MLM weights.
Out: figures/*.{png,svg}, figures/embedding_map.html.
"""


rule figure_cohort_flow:
    input:
        table="<results>/tables/cohort_flow.csv",
    output:
        png=report(
            "<results>/figures/cohort_flow.png",
            caption="../workflow/report/figure_cohort_flow.rst",
            category="Patients",
            subcategory="Cohort flow",
            labels={"shows": "Figure 1: cohort flow", "as": "PNG"},
        ),
        svg=report(
            "<results>/figures/cohort_flow.svg",
            caption="../workflow/report/figure_cohort_flow.rst",
            category="Patients",
            subcategory="Cohort flow",
            labels={"shows": "Figure 1: cohort flow", "as": "SVG"},
        ),
    log:
        "<logs>/figure_cohort_flow.log",
    benchmark:
        "<benchmarks>/figure_cohort_flow.jsonl"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=15,
    params:
        data=config["source"],
        code=code_hash(SCRIPTS / "figure_cohort_flow.py"),
    message:
        "Draw the cohort's flow"
    script:
        "../scripts/figure_cohort_flow.py"


rule figure_example_patient:
    input:
        events=expand("<results>/meds/data/{shard}.parquet", shard=SHARDS),
        sequences=SEQUENCES,
        vocabulary="<results>/vocabulary.json",
    output:
        png=report(
            "<results>/figures/example_patient.png",
            caption="../workflow/report/figure_example_patient.rst",
            category="Patients",
            subcategory="Example",
            labels={"shows": "Figure 2: a patient as words", "as": "PNG"},
        ),
        svg=report(
            "<results>/figures/example_patient.svg",
            caption="../workflow/report/figure_example_patient.rst",
            category="Patients",
            subcategory="Example",
            labels={"shows": "Figure 2: a patient as words", "as": "SVG"},
        ),
    log:
        "<logs>/figure_example_patient.log",
    benchmark:
        "<benchmarks>/figure_example_patient.jsonl"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=60,
    params:
        data=config["source"],
        maximum_length=config["pretrain"]["settings"]["max_length"],
        seed=config["seed"],
        code=code_hash(SCRIPTS / "figure_example_patient.py"),
    message:
        "Draw how a patient becomes words"
    script:
        "../scripts/figure_example_patient.py"


rule figure_embedding_map:
    input:
        weights="<results>/models/mlm/model.safetensors",
        vocabulary="<results>/vocabulary.json",
        sequences=SEQUENCES,
    output:
        png=report(
            "<results>/figures/embedding_map.png",
            caption="../workflow/report/figure_embedding_map.rst",
            category="Diseases",
            subcategory="Embedding",
            labels={"shows": "Figure 4: map of the disease embeddings", "as": "PNG"},
        ),
        svg=report(
            "<results>/figures/embedding_map.svg",
            caption="../workflow/report/figure_embedding_map.rst",
            category="Diseases",
            subcategory="Embedding",
            labels={"shows": "Figure 4: map of the disease embeddings", "as": "SVG"},
        ),
        page=report(
            "<results>/figures/embedding_map.html",
            caption="../workflow/report/figure_embedding_map.rst",
            category="Diseases",
            subcategory="Embedding",
            labels={"shows": "Figure 4: map of the disease embeddings", "as": "page"},
        ),
    log:
        "<logs>/figure_embedding_map.log",
    benchmark:
        "<benchmarks>/figure_embedding_map.jsonl"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=60,
    params:
        data=config["source"],
        protocol=config["protocol"],
        seed=config["seed"],
        neighbours=config["evaluation"]["neighbours"],
        disclosure=DISCLOSURE,
        code=code_hash(
            SCRIPTS / "figure_embedding_map.py",
            "figures/pages/embedding_map.html.jinja",
        ),
    message:
        "Draw the embedding map"
    script:
        "../scripts/figure_embedding_map.py"


rule figure_diseases:
    input:
        table="<results>/tables/diseases.csv",
        vocabulary="<results>/vocabulary.json",
    output:
        png=report(
            "<results>/figures/diseases.png",
            caption="../workflow/report/figure_diseases.rst",
            category="Diseases",
            subcategory="Scores",
            labels={
                "shows": f"Figure 6: scores of each disease in {SHOWN_TASK}",
                "as": "PNG",
            },
        ),
        svg=report(
            "<results>/figures/diseases.svg",
            caption="../workflow/report/figure_diseases.rst",
            category="Diseases",
            subcategory="Scores",
            labels={
                "shows": f"Figure 6: scores of each disease in {SHOWN_TASK}",
                "as": "SVG",
            },
        ),
    log:
        "<logs>/figure_diseases.log",
    benchmark:
        "<benchmarks>/figure_diseases.jsonl"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=15,
    params:
        data=config["source"],
        protocol=config["protocol"],
        code=code_hash(SCRIPTS / "figure_diseases.py"),
    message:
        "Draw the diseases' scores"
    script:
        "../scripts/figure_diseases.py"
