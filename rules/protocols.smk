"""Train one BEHRT under every leniency of the paper's protocol: one at a time, and all together.

In: as for pretrain, finetune, predict and evaluate, whose rules these are, with another protocol.
Out: protocols/<leniency>/, laid out as the run itself; protocols/evaluation/<task>/<leniency>.parquet.
"""

LENIENCY = "<results>/protocols/{leniency}"
LENIENT_MODEL = config["evaluation"]["reference"]
# Where the models of each protocol lie: those of the run's own are not trained again.
UNDER = {
    leniency: (
        "<results>"
        if leniency == config["protocol"]
        else f"<results>/protocols/{leniency}"
    )
    for leniency in LENIENCIES
}


use rule pretrain as protocol_pretrain with:
    output:
        weights=f"{LENIENCY}/models/mlm/model.safetensors",
        model_config=f"{LENIENCY}/models/mlm/config.json",
        metrics=f"{LENIENCY}/models/mlm/metrics.jsonl",
    log:
        "<logs>/protocol_pretrain/{leniency}.log",
    benchmark:
        "<benchmarks>/protocol_pretrain/{leniency}.jsonl"
    params:
        protocol=lambda wildcards: wildcards.leniency,
    message:
        "Pretrain by the protocol {wildcards.leniency}"


use rule finetune as protocol_finetune with:
    input:
        unpack(
            lambda wildcards: (
                {"pretrained": f"{LENIENCY}/models/mlm/model.safetensors"}
                if MODELS[wildcards.model]["pretrained"]
                else {}
            )
        ),
        sequences=SEQUENCES,
        task="<results>/tasks/{task}.parquet",
        vocabulary="<results>/vocabulary.json",
    output:
        weights=f"{LENIENCY}/models/{{task}}/{{model}}/model.safetensors",
        model_config=f"{LENIENCY}/models/{{task}}/{{model}}/config.json",
        metrics=f"{LENIENCY}/models/{{task}}/{{model}}/metrics.jsonl",
    log:
        "<logs>/protocol_finetune/{leniency}/{task}/{model}.log",
    benchmark:
        "<benchmarks>/protocol_finetune/{leniency}/{task}/{model}.jsonl"
    params:
        protocol=lambda wildcards: wildcards.leniency,
    message:
        "Train {wildcards.model} for {wildcards.task} by the protocol {wildcards.leniency}"


use rule predict as protocol_predict with:
    input:
        sequences=SEQUENCES,
        task="<results>/tasks/{task}.parquet",
        vocabulary="<results>/vocabulary.json",
        weights=f"{LENIENCY}/models/{{task}}/{{model}}/model.safetensors",
        model_config=f"{LENIENCY}/models/{{task}}/{{model}}/config.json",
    output:
        scores=f"{LENIENCY}/predictions/{{task}}/{{model}}.parquet",
    log:
        "<logs>/protocol_predict/{leniency}/{task}/{model}.log",
    benchmark:
        "<benchmarks>/protocol_predict/{leniency}/{task}/{model}.jsonl"
    message:
        "Ask {wildcards.model}, trained by the protocol {wildcards.leniency}, about {wildcards.task}"


use rule evaluate as protocol_evaluate with:
    input:
        task="<results>/tasks/{task}.parquet",
        scores=lambda wildcards: (
            f"{UNDER[wildcards.leniency]}/predictions/{wildcards.task}/{LENIENT_MODEL}.parquet"
        ),
        vocabulary="<results>/vocabulary.json",
    output:
        metrics="<results>/protocols/evaluation/{task}/{leniency}.parquet",
    log:
        "<logs>/protocol_evaluate/{task}/{leniency}.log",
    benchmark:
        "<benchmarks>/protocol_evaluate/{task}/{leniency}.jsonl"
    message:
        "Score the protocol {wildcards.leniency} on {wildcards.task}"
