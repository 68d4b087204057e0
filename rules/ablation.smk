"""Train with every combination of the age, segment and position embeddings, on or off.

In: as for pretrain, finetune, predict and evaluate, whose rules these are, with other settings.
Out: ablation/<embeddings>/, laid out as the run itself, which is the combination of all three.
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
