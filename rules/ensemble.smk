"""Predict with a weighted mean of other models' predictions.

In: the members' predictions, and the task's labels.
Out: models/<task>/<model>/, with the weights, and predictions/<task>/<model>.parquet, as finetune
writes them for other models. A variant of the run has its files in its own folder (behrt.variants).
"""


rule ensemble:
    input:
        members=lambda wildcards: [
            f"<results>/{{variant}}predictions/{{task}}/{member}.parquet"
            for member in settings_for(config, wildcards.model, wildcards.task)["of"]
        ],
        sequences=SEQUENCES,
        examples=EXAMPLES,
        vocabulary="<results>/vocabulary.json",
    output:
        weights="<results>/{variant}models/{task}/{model}/model.safetensors",
        model_config="<results>/{variant}models/{task}/{model}/config.json",
        metrics="<results>/{variant}models/{task}/{model}/metrics.jsonl",
        scores="<results>/{variant}predictions/{task}/{model}.parquet",
    log:
        "<logs>/{variant}ensemble/{task}/{model}.log",
    benchmark:
        "<benchmarks>/{variant}ensemble/{task}/{model}.jsonl"
    wildcard_constraints:
        model="|".join(ENSEMBLES) or "$^",  # $^ fits nothing
    priority: 1
    conda:
        "../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000, per_mb=10),
        runtime=minutes(15, per_mb=0.2),
    params:
        settings=lambda wildcards: settings_for(config, wildcards.model, wildcards.task),
        task=lambda wildcards: plain(TASK[wildcards.task]),
        protocol=lambda wildcards: VARIANTS[wildcards.variant].protocol,
        compute=lambda wildcards: compute_for(config, wildcards.model),
        code=code_hash(SCRIPTS / "ensemble.py"),
    message:
        "Predict {wildcards.task} with {wildcards.variant}{wildcards.model}, the mean of {params.settings[of]}"
    script:
        "../scripts/ensemble.py"
