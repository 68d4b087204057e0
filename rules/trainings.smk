"""What the rules that train models look up: tasks, starting weights and hardware."""


def joint_tasks(wildcards):
    """Return the tasks that a joint model is trained for."""
    names = ON_ALL_ELIGIBLE if wildcards.joint.endswith(ALL) else TASKS
    return [TASK[name] for name in names]


def pretrained_weights(wildcards):
    """Return the weights that a model starts from, or is a part of, as an input; {} for none."""
    model = wildcards.model
    if model in JOINT:
        trained = model if TASK[wildcards.task].labelled else model + ALL
    elif EVERY_MODEL[model]["pretrained"]:
        trained = PRETRAINING_FOLDERS[EVERY_MODEL[model]["pretrained"]]
    else:
        return {}
    return {"pretrained": f"<results>/{{variant}}models/{trained}/model.safetensors"}


def compute_to_train(wildcards):
    """Return how a model is trained; a part of trained weights is taken on the CPU."""
    compute = compute_for(config, wildcards.model)
    return compute | {"accelerator": "cpu"} if wildcards.model in JOINT else compute
