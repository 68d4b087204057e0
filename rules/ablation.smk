"""Train with every combination of the age, segment and position embeddings, on or off.

In: as for pretrain, finetune, predict and evaluate, whose rules these are, with other settings.
Out: ablation/<embeddings>/, laid out as the run itself, which is the combination of all three;
tables/ablation.csv, figures/ablation.{png,svg}.
"""


use rule pretrain as ablation_pretrain with:
    output:
        weights="<results>/ablation/{embeddings}/models/mlm/model.safetensors",
        model_config="<results>/ablation/{embeddings}/models/mlm/config.json",
        metrics="<results>/ablation/{embeddings}/models/mlm/metrics.jsonl",
    log:
        "<logs>/ablation_pretrain/{embeddings}.log",
    benchmark:
        "<benchmarks>/ablation_pretrain/{embeddings}.jsonl"
    params:
        settings=lambda wildcards: ablated(
            config["pretrain"]["settings"], wildcards.embeddings
        ),
    message:
        "Pretrain with {wildcards.embeddings}"


use rule finetune as ablation_finetune with:
    input:
        unpack(
            lambda wildcards: (
                {
                    "pretrained": "<results>/ablation/{embeddings}/models/mlm/model.safetensors"
                }
                if MODELS[wildcards.model]["pretrained"]
                else {}
            )
        ),
        sequences=SEQUENCES,
        task="<results>/tasks/{task}.parquet",
        vocabulary="<results>/vocabulary.json",
    output:
        weights="<results>/ablation/{embeddings}/models/{task}/{model}/model.safetensors",
        model_config="<results>/ablation/{embeddings}/models/{task}/{model}/config.json",
        metrics="<results>/ablation/{embeddings}/models/{task}/{model}/metrics.jsonl",
    log:
        "<logs>/ablation_finetune/{embeddings}/{task}/{model}.log",
    benchmark:
        "<benchmarks>/ablation_finetune/{embeddings}/{task}/{model}.jsonl"
    params:
        settings=lambda wildcards: ablated(
            settings_for(config, wildcards.model, wildcards.task), wildcards.embeddings
        ),
    message:
        "Train {wildcards.model} with {wildcards.embeddings} for {wildcards.task}"


use rule predict as ablation_predict with:
    input:
        sequences=SEQUENCES,
        task="<results>/tasks/{task}.parquet",
        vocabulary="<results>/vocabulary.json",
        weights="<results>/ablation/{embeddings}/models/{task}/{model}/model.safetensors",
        model_config="<results>/ablation/{embeddings}/models/{task}/{model}/config.json",
    output:
        scores="<results>/ablation/{embeddings}/predictions/{task}/{model}.parquet",
    log:
        "<logs>/ablation_predict/{embeddings}/{task}/{model}.log",
    benchmark:
        "<benchmarks>/ablation_predict/{embeddings}/{task}/{model}.jsonl"
    message:
        "Ask {wildcards.model} with {wildcards.embeddings} about {wildcards.task}"


use rule evaluate as ablation_evaluate with:
    input:
        task="<results>/tasks/{task}.parquet",
        scores="<results>/ablation/{embeddings}/predictions/{task}/{model}.parquet",
        vocabulary="<results>/vocabulary.json",
    output:
        metrics="<results>/ablation/{embeddings}/evaluation/{task}/{model}.parquet",
    log:
        "<logs>/ablation_evaluate/{embeddings}/{task}/{model}.log",
    benchmark:
        "<benchmarks>/ablation_evaluate/{embeddings}/{task}/{model}.jsonl"
    message:
        "Score {wildcards.model} with {wildcards.embeddings} on {wildcards.task}"


rule table_ablation:
    input:
        metrics=lambda wildcards: [
            (
                f"<results>/evaluation/{task}/{model}.parquet"
                if embeddings == ALL_EMBEDDINGS
                else f"<results>/ablation/{embeddings}/evaluation/{task}/{model}.parquet"
            )
            for task in config["ablation"]["tasks"]
            for model in ablated_models(config)
            for embeddings in COMBINATIONS
        ],
    output:
        table=report(
            "<results>/tables/ablation.csv",
            caption="../workflow/report/table_ablation.rst",
            category="Models",
            subcategory="Ablation",
            labels={"shows": "Age, segment and position, on and off", "as": "table"},
        ),
    log:
        "<logs>/table_ablation.log",
    benchmark:
        "<benchmarks>/table_ablation.jsonl"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=60,
    params:
        tasks=config["ablation"]["tasks"],
        models=config["ablation"]["models"],
        resamples=config["evaluation"]["resamples"],
        seed=config["seed"],
        protocol=config["protocol"],
        data=config["source"],
        disclosure=DISCLOSURE,
        code=code_hash(SCRIPTS / "table_ablation.py"),
    message:
        "Tabulate the ablation"
    script:
        "../scripts/table_ablation.py"


rule figure_ablation:
    input:
        table="<results>/tables/ablation.csv",
    output:
        png=report(
            "<results>/figures/ablation.png",
            caption="../workflow/report/figure_ablation.rst",
            category="Models",
            subcategory="Ablation",
            labels={"shows": "Age, segment and position, on and off", "as": "PNG"},
        ),
        svg=report(
            "<results>/figures/ablation.svg",
            caption="../workflow/report/figure_ablation.rst",
            category="Models",
            subcategory="Ablation",
            labels={"shows": "Age, segment and position, on and off", "as": "SVG"},
        ),
    log:
        "<logs>/figure_ablation.log",
    benchmark:
        "<benchmarks>/figure_ablation.jsonl"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=15,
    params:
        data=config["source"],
        protocol=config["protocol"],
        seed=config["seed"],
        code=code_hash(SCRIPTS / "figure_ablation.py"),
    message:
        "Draw the ablation"
    script:
        "../scripts/figure_ablation.py"
