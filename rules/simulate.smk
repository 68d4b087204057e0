"""Simulate a delivery in the layout of a licensed one (source `simulated`).

In: the code lists, if the configuration has `caliber`.
Out: delivery/, as CPRD ships it; caliber/, the project's own code lists, unless others are given;
truth/, the simulated people, diseases and risks, which no stage of a licensed delivery reads.
"""

LOOK_UPS = look_up_files(DATABASE.name, config["inputs"])
HES_PROCEDURES = linked_files(DATABASE.name, config["inputs"]).get("hes_procedures_epi")
PEOPLE_IN_PART = config["simulation"]["people"] / config["simulation"]["parts"]
SIMULATION_TABLES = [
    f"simulation/{name}.csv"
    for name in (
        "diseases",
        "risks",
        "treatments",
        "substances",
        "procedures",
        "markers",
        "marker_changes",
    )
]


rule simulate_world:
    input:
        **({"lists": config["caliber"]} if config["caliber"] else {}),
    output:
        **({} if config["caliber"] else {"lists": directory("<results>/caliber")}),
        **{
            table: f"<results>/delivery/{numbered_file(DATABASE.name, table, '001')}"
            for table in ONCE
        },
        **(
            {"look_ups": [f"<results>/delivery/{path}" for path in LOOK_UPS.values()]}
            if LOOK_UPS
            else {}
        ),
        coverage="<results>/delivery/linkage/linkage_coverage.txt",
        medical=f"<results>/delivery/{look_up_file(DATABASE.name)}",
        codes="<results>/truth/codes.parquet",
        graph="<results>/truth/graph.parquet",
        diseases="<results>/truth/diseases.parquet",
    log:
        "<logs>/simulate_world.log",
    benchmark:
        "<benchmarks>/simulate_world.jsonl"
    conda:
        "../envs/etl.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(15),
    params:
        content=lambda wildcards: content_of(config["caliber"]),
        own_lists=config["caliber"] is None,
        practices=config["simulation"]["practices"],
        seed=config["seed"],
        database=DATABASE.name,
        inputs=config["inputs"],
        code=code_hash(
            SCRIPTS / "simulate_world.py", "cprd/layouts.toml", *SIMULATION_TABLES
        ),
    message:
        "Simulate practices, code lists and look-ups"
    script:
        "../scripts/simulate_world.py"


rule simulate_part:
    input:
        codes="<results>/truth/codes.parquet",
    output:
        tables=[
            removable(
                f"<results>/delivery/{numbered_file(DATABASE.name, table, '{part}')}"
            )
            for table in IN_PARTS[DATABASE.name]
        ],
        fragments=removable(directory("<results>/fragments/{part}")),
        people="<results>/truth/people/{part}.parquet",
        onsets="<results>/truth/onsets/{part}.parquet",
    log:
        "<logs>/simulate_part/{part}.log",
    benchmark:
        "<benchmarks>/simulate_part/{part}.jsonl"
    conda:
        "../envs/etl.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000 + 0.03 * PEOPLE_IN_PART),
        runtime=minutes(15 + 0.0002 * PEOPLE_IN_PART),
    params:
        part=lambda wildcards: int(wildcards.part),
        parts=config["simulation"]["parts"],
        patients=config["simulation"]["people"],
        practices=config["simulation"]["practices"],
        seed=config["seed"],
        process=config["simulation"]["process"],
        flaws=config["simulation"]["flaws"],
        database=DATABASE.name,
        inputs=config["inputs"],
        concepts=config["simulation"]["concepts"],
        code=code_hash(
            SCRIPTS / "simulate_part.py", "cprd/layouts.toml", *SIMULATION_TABLES
        ),
    message:
        "Simulate the patients of part {wildcards.part}"
    script:
        "../scripts/simulate_part.py"


rule simulate_linkage:
    input:
        fragments=expand(
            "<results>/fragments/{part:03d}",
            part=range(1, config["simulation"]["parts"] + 1),
        ),
    output:
        **(
            {"hes_procedures_epi": removable(f"<results>/delivery/{HES_PROCEDURES}")}
            if HES_PROCEDURES
            else {}
        ),
        linkage_eligibility=removable(
            f"<results>/delivery/{linked_file(DATABASE.name, 'linkage_eligibility')}"
        ),
        hes_patient=removable("<results>/delivery/hes/hes_patient_simulated.txt"),
        hes_hospital=removable("<results>/delivery/hes/hes_hospital_simulated.txt"),
        hes_episodes=removable("<results>/delivery/hes/hes_episodes_simulated.txt"),
        hes_diagnosis_epi=removable(
            "<results>/delivery/hes/hes_diagnosis_epi_simulated.txt"
        ),
        hes_diagnosis_hosp=removable(
            "<results>/delivery/hes/hes_diagnosis_hosp_simulated.txt"
        ),
        hes_primary_diag_hosp=removable(
            "<results>/delivery/hes/hes_primary_diag_hosp_simulated.txt"
        ),
        death_patient=removable("<results>/delivery/ons/death_patient_simulated.txt"),
    log:
        "<logs>/simulate_linkage.log",
    benchmark:
        "<benchmarks>/simulate_linkage.jsonl"
    conda:
        "../envs/etl.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(60),
    params:
        code=code_hash(SCRIPTS / "simulate_linkage.py", "cprd/layouts.toml"),
    message:
        "Join the linked files"
    script:
        "../scripts/simulate_linkage.py"
