"""What the rules that train models look up: tasks, settings, starting weights and hardware."""


def joint_tasks(wildcards):
    """Return the tasks that a joint model is trained for."""
    names = ON_ALL_ELIGIBLE if wildcards.joint.endswith(ALL) else TASKS
    return [TASK[name] for name in names]


def starts_from(model):
    """Return the folder of the weights that a model starts from, or is a part of; None for none."""
    if model in JOINT:
        return model
    pretraining = EVERY_MODEL.get(model, {}).get("pretrained")
    return PRETRAINING_FOLDERS[pretraining] if pretraining else None


def pretrained_weights(wildcards):
    """Return the weights that a model starts from, or is a part of, as an input; {} for none."""
    trained = starts_from(wildcards.model)
    if trained is None:
        return {}
    if wildcards.model in JOINT and not TASK[wildcards.task].labelled:
        trained += ALL
    return {"pretrained": f"<results>/{{variant}}models/{trained}/model.safetensors"}


def chosen_values(model):
    """Return the files with the values that searches choose for a model."""
    return [
        f"<results>/search/{name}/chosen.json" for name in search_for(config, model)
    ]


def searched(wildcards):
    """Return the settings that are not searched, and how each trial is optimised."""
    return (
        SEARCHED[wildcards.searched]["settings"],
        SEARCHED[wildcards.searched]["training"],
    )


def pretrained(wildcards):
    """Return the settings of the encoder, and how it is optimised."""
    pretraining = pretraining_in(wildcards.pretraining)
    return config["pretrain"]["settings"], pretraining_training(config, pretraining)


def jointly_trained(wildcards):
    """Return the settings of a model, and how it is optimised."""
    model = key_of(wildcards.joint)
    return settings_for(config, model, ""), training_for(config, model, "")


def finetuned(wildcards):
    """Return the settings of a model, and how it is optimised."""
    model, task = wildcards.model, wildcards.task
    return settings_for(config, model, task), training_for(config, model, task)


def few_labels_trained(wildcards):
    """Return the settings of a model, and how it is optimised."""
    model = FEW_LABEL_MODELS[wildcards.model]
    return model["settings"], model["training"]


def gpus(wildcards):
    """Return the number of GPUs that one model requests for one task.

    The model of a task that is a part of trained weights is only used to predict.
    """
    on_gpu = compute_for(config, wildcards.model)["accelerator"] == "gpu"
    trained = wildcards.model not in JOINT
    return gpus_to_train(config) if on_gpu and trained else int(on_gpu)


def nodes(wildcards):
    """Return the number of nodes that one model requests for one task."""
    trained = gpus(wildcards) and wildcards.model not in JOINT
    return nodes_to_train(config) if trained else 1


def deaths_read(model):
    """Return the MEDS events as an input, for a model that learns from deaths."""
    if EVERY_MODEL[model]["kind"] not in WITH_TRAJECTORIES:
        return {}
    return {"events": expand("<results>/meds/data/{shard}.parquet", shard=SHARDS)}


def patients_of_rates(model):
    """Return what the rates of a model with trajectories are recalibrated on."""
    found = deaths_read(model)
    return {**found, "sequences": SEQUENCES} if found else {}
