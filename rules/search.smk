"""Search hyper-parameters, in rounds of trials; with `tune`, trainings use the chosen values.

In: the sequences of training and tuning patients, and for a classifier the labels of one task.
Out: search/<searched>/chosen.json.
"""

TRIAL = "<results>/search/{searched}/{round}_{number}/trial.json"
NUMBERS = range(config["search"]["trials"])


rule search_round:
    input:
        earlier=lambda wildcards: expand(
            TRIAL,
            searched=wildcards.searched,
            round=range(int(wildcards.round)),
            number=NUMBERS,
        ),
    output:
        suggested="<results>/search/{searched}/{round}.json",
    log:
        "<logs>/search_round/{searched}/{round}.log",
    benchmark:
        "<benchmarks>/search_round/{searched}/{round}.jsonl"
    wildcard_constraints:
        searched="[a-z][a-z0-9_]*",
        round="[0-9]+",
    conda:
        "../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=memory(1500),
        runtime=minutes(15),
    params:
        searched=lambda wildcards: wildcards.searched,
        recipe=lambda wildcards: {
            part: SEARCHED[wildcards.searched][part]
            for part in ("kind", "settings", "training", "cuts", "inputs")
        },
        space=lambda wildcards: SEARCHED[wildcards.searched]["space"],
        trials=config["search"]["trials"],
        seed=config["seed"],
        code=lambda wildcards: code_hash(
            SCRIPTS / "search_round.py",
            f"behrt.models.{SEARCHED[wildcards.searched]['kind']}",
        ),
    message:
        "Choose the trials of round {wildcards.round} for {wildcards.searched}"
    script:
        "../scripts/search_round.py"


rule search_trial:
    input:
        sequences=SEQUENCES,
        examples=f"<results>/tasks/{config['search']['task']}.parquet",
        vocabulary="<results>/vocabulary.json",
        suggested="<results>/search/{searched}/{round}.json",
        earlier=lambda wildcards: expand(
            TRIAL,
            searched=wildcards.searched,
            round=range(int(wildcards.round)),
            number=NUMBERS,
        ),
    output:
        weights=temp("<results>/search/{searched}/{round}_{number}/model.safetensors"),
        model_config="<results>/search/{searched}/{round}_{number}/config.json",
        metrics="<results>/search/{searched}/{round}_{number}/metrics.jsonl",
        trial=TRIAL,
    log:
        "<logs>/search_trial/{searched}/{round}_{number}.log",
    benchmark:
        "<benchmarks>/search_trial/{searched}/{round}_{number}.jsonl"
    wildcard_constraints:
        searched="[a-z][a-z0-9_]*",
        round="[0-9]+",
        number="[0-9]+",
    conda:
        "../envs/train.yaml"
    threads: config["training_threads"]
    resources:
        mem_mb=training_memory(searched, per_mb=120),
        runtime=training_time(searched),
        gpu=gpus_to_train(config),
        nodes=nodes_to_train(config),
    params:
        searched=lambda wildcards: wildcards.searched,
        recipe=lambda wildcards: {
            part: SEARCHED[wildcards.searched][part]
            for part in ("kind", "settings", "training", "cuts", "inputs")
        },
        space=lambda wildcards: SEARCHED[wildcards.searched]["space"],
        task=plain(TASK[config["search"]["task"]]),
        minimum_visits=config["examples"]["minimum_visits"],
        masking=config["pretrain"]["masking"],
        round_number=lambda wildcards: int(wildcards.round),
        number=lambda wildcards: int(wildcards.number),
        compute=lambda wildcards: compute_for(config, wildcards.searched),
        code=lambda wildcards: code_hash(
            SCRIPTS / "search_trial.py",
            f"behrt.models.{SEARCHED[wildcards.searched]['kind']}",
        ),
    message:
        "Try {wildcards.searched}, round {wildcards.round}, trial {wildcards.number} ({params.compute[accelerator]}, threads: {threads}, GPUs: {resources.gpu})"
    script:
        "../scripts/search_trial.py"


rule search_chosen:
    input:
        trials=lambda wildcards: expand(
            TRIAL,
            searched=wildcards.searched,
            round=range(config["search"]["rounds"]),
            number=NUMBERS,
        ),
    output:
        chosen="<results>/search/{searched}/chosen.json",
    log:
        "<logs>/search_chosen/{searched}.log",
    benchmark:
        "<benchmarks>/search_chosen/{searched}.jsonl"
    wildcard_constraints:
        searched="[a-z][a-z0-9_]*",
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(15),
    params:
        searched=lambda wildcards: wildcards.searched,
        code=code_hash(SCRIPTS / "search_chosen.py"),
    message:
        "Choose the best trial for {wildcards.searched}"
    script:
        "../scripts/search_chosen.py"
