"""What the model looks at, for single patients: simulated ones alone, as no real one may be shown.

In: the sequences, an example of the task each, the MLM and a fine-tuned BEHRT.
Out: figures/attention.{png,svg} and figures/explorer.html.
"""


rule figure_attention:
    input:
        sequences=SEQUENCES,
        task=f"<results>/tasks/{SHOWN_TASK}.parquet",
        vocabulary="<results>/vocabulary.json",
        weights="<results>/models/mlm/model.safetensors",
        model_config="<results>/models/mlm/config.json",
    output:
        png=report(
            "<results>/figures/attention.png",
            caption="../workflow/report/figure_attention.rst",
            category="Interpretation",
            subcategory="Attention",
            labels={"shows": "Figure 5: attention and attribution", "as": "PNG"},
        ),
        svg=report(
            "<results>/figures/attention.svg",
            caption="../workflow/report/figure_attention.rst",
            category="Interpretation",
            subcategory="Attention",
            labels={"shows": "Figure 5: attention and attribution", "as": "SVG"},
        ),
    log:
        "<logs>/figure_attention.log",
    benchmark:
        "<benchmarks>/figure_attention.jsonl"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=60,
    params:
        protocol=config["protocol"],
        seed=config["seed"],
        patients=2,
        diagnoses=[8, 14],
        most_visits=10,
        code=code_hash(SCRIPTS / "figure_attention.py"),
    message:
        "Draw what diagnoses look at"
    script:
        "../scripts/figure_attention.py"


rule explorer:
    input:
        sequences=SEQUENCES,
        task=f"<results>/tasks/{SHOWN_TASK}.parquet",
        vocabulary="<results>/vocabulary.json",
        weights=f"<results>/models/{SHOWN_TASK}/{EXPLAINED[0]}/model.safetensors",
        model_config=f"<results>/models/{SHOWN_TASK}/{EXPLAINED[0]}/config.json",
    output:
        explorer=report(
            "<results>/figures/explorer.html",
            caption="../workflow/report/explorer.rst",
            category="Interpretation",
            subcategory="Explorer",
            labels={"shows": "Explorer of histories and predictions", "as": "page"},
        ),
    log:
        "<logs>/explorer.log",
    benchmark:
        "<benchmarks>/explorer.jsonl"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
        runtime=60,
    params:
        run=config["run"],
        model=EXPLAINED[0],
        window=TASK[SHOWN_TASK].window,
        protocol=config["protocol"],
        seed=config["seed"],
        patients=12,
        diagnoses=[8, 16],
        most_visits=14,
        predictions=10,
        disclosure=DISCLOSURE,
        code=code_hash(
            SCRIPTS / "explorer.py",
            "figures/pages/explorer.html",
            "figures/pages/explorer.css",
            "figures/pages/explorer.js",
        ),
    message:
        "Write the explorer"
    script:
        "../scripts/explorer.py"
