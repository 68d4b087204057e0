"""Compare the nearest diseases with what is known of them.

In: the MLM weights and the sequences; the user's table of neighbours, if one is given; on
simulated data the true graph of risks, which the pipeline proper never reads.
Out: tables/neighbour_overlap.csv.
"""

REFERENCE_NEIGHBOURS = {
    **(
        {"reference": config["neighbours"]["reference"]}
        if config["neighbours"]["reference"]
        else {}
    ),
    **(
        {
            "graph": "<results>/truth/graph.parquet",
            "diseases": "<results>/truth/diseases.parquet",
        }
        if config["source"] == "simulated"
        else {}
    ),
}


rule table_neighbour_overlap:
    input:
        **REFERENCE_NEIGHBOURS,
        weights="<results>/models/mlm/model.safetensors",
        vocabulary="<results>/vocabulary.json",
        sequences=SEQUENCES,
    output:
        table=report(
            "<results>/tables/neighbour_overlap.csv",
            caption="../workflow/report/table_neighbour_overlap.rst",
            category="Diseases",
            subcategory="Embedding",
            labels={"shows": "Overlap of the nearest diseases", "as": "table"},
        ),
    log:
        "<logs>/table_neighbour_overlap.log",
    benchmark:
        "<benchmarks>/table_neighbour_overlap.jsonl"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=60,
    params:
        minimum_prevalence=config["evaluation"]["minimum_prevalence"],
        neighbours=config["evaluation"]["neighbours"],
        permutations=config["neighbours"]["permutations"],
        disclosure=DISCLOSURE,
        seed=config["seed"],
        data=config["source"],
        protocol=config["protocol"],
        code=code_hash(SCRIPTS / "table_neighbour_overlap.py"),
    message:
        "Compare the diseases' neighbours with what is known"
    script:
        "../scripts/table_neighbour_overlap.py"
