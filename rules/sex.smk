"""Ask what models predict of the diseases of one sex, to that sex and to the other.

In: every model's scores for T2, and the sequences.
Out: tables/sex_specific.csv, figures/sex_specific.{png,svg}.
"""

ONE_SEX = (
    {"diseases": config["sex_analysis"]["diseases"]}
    if config["sex_analysis"]["diseases"]
    else {}
)


rule table_sex_specific:
    input:
        **ONE_SEX,
        sequences=SEQUENCES,
        task=f"<results>/tasks/{SHOWN_TASK}.parquet",
        scores=expand(
            f"<results>/predictions/{SHOWN_TASK}/{{model}}.parquet", model=MODELS
        ),
        vocabulary="<results>/vocabulary.json",
    output:
        table=report(
            "<results>/tables/sex_specific.csv",
            caption="../workflow/report/table_sex_specific.rst",
            category="Diseases",
            subcategory="Sex",
            labels={"shows": "Diseases of one sex, predicted to both", "as": "table"},
        ),
    log:
        "<logs>/table_sex_specific.log",
    benchmark:
        "<benchmarks>/table_sex_specific.jsonl"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 6000 * attempt,
        runtime=120,
    params:
        models=list(MODELS),
        score=config["sex_analysis"]["score"],
        ranks=config["sex_analysis"]["ranks"],
        resamples=config["evaluation"]["resamples"],
        seed=config["seed"],
        protocol=config["protocol"],
        data=config["source"],
        disclosure=DISCLOSURE,
        code=code_hash(SCRIPTS / "table_sex_specific.py", "caliber/sex_specific.csv"),
    message:
        "Tabulate the diseases of one sex"
    script:
        "../scripts/table_sex_specific.py"


rule figure_sex_specific:
    input:
        table="<results>/tables/sex_specific.csv",
    output:
        png=report(
            "<results>/figures/sex_specific.png",
            caption="../workflow/report/figure_sex_specific.rst",
            category="Diseases",
            subcategory="Sex",
            labels={"shows": "Diseases of one sex, predicted to both", "as": "PNG"},
        ),
        svg=report(
            "<results>/figures/sex_specific.svg",
            caption="../workflow/report/figure_sex_specific.rst",
            category="Diseases",
            subcategory="Sex",
            labels={"shows": "Diseases of one sex, predicted to both", "as": "SVG"},
        ),
    log:
        "<logs>/figure_sex_specific.log",
    benchmark:
        "<benchmarks>/figure_sex_specific.jsonl"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=15,
    params:
        reference=config["evaluation"]["reference"],
        ranks=config["sex_analysis"]["ranks"],
        data=config["source"],
        protocol=config["protocol"],
        code=code_hash(SCRIPTS / "figure_sex_specific.py"),
    message:
        "Draw the diseases of one sex"
    script:
        "../scripts/figure_sex_specific.py"
