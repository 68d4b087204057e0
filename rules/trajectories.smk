"""Sample futures of simulated held-out patients, and compare them with the process itself.

In: the trained folder of a model that predicts when events come, the MEDS events, and truth/, which
no stage for a licensed delivery reads.
Out: trajectories/incidence.parquet, of each patient the shares of futures with each event by year.
"""


rule sampled_futures:
    input:
        trained=f"<results>/trained/{SHOWN_TASK}/{FORESEEING}",
        sequences=SEQUENCES,
        events=expand("<results>/meds/data/{shard}.parquet", shard=SHARDS),
        people=expand("<results>/truth/people/{part}.parquet", part=SIMULATED),
        onsets=expand("<results>/truth/onsets/{part}.parquet", part=SIMULATED),
        codes="<results>/truth/codes.parquet",
        medcodes="<results>/phenotypes/medcodes.parquet",
        icd="<results>/phenotypes/icd.parquet",
    output:
        incidence="<results>/trajectories/incidence.parquet",
    log:
        "<logs>/sampled_futures.log",
    benchmark:
        "<benchmarks>/sampled_futures.jsonl"
    conda:
        "../envs/train.yaml"
    threads: config["training_threads"]
    resources:
        mem_mb=memory(2000, per_mb=40),
        runtime=minutes(240, per_mb=1),
    params:
        patients=500,
        futures=100,
        years=10,
        practices=config["simulation"]["practices"],
        seed=config["seed"],
        process=config["simulation"]["process"],
        threads=config["training_threads"],
        code=code_hash(
            SCRIPTS / "sampled_futures.py",
            f"behrt.models.{EVERY_MODEL[FORESEEING]['kind']}",
            "simulation/diseases.csv",
            "simulation/risks.csv",
        ),
    message:
        f"Sample futures of patients with {FORESEEING}"
    script:
        "../scripts/sampled_futures.py"
