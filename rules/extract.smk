"""Read each delivered part once: text to typed Parquet, sorted by shard.

In: delivered files, zipped or not. Small parts of one table are read by one job.
Out: extracted/<source table>/<first part>.parquet, one row per record, and a manifest of what was
recognised, read, kept and refused.
"""


rule extract:
    input:
        sources=lambda wildcards: paths_of(
            wildcards.source_table, wildcards.part, PARTS, FAULT
        ),
    output:
        rows=removable("<results>/extracted/{source_table}/{part}.parquet"),
        manifest="<results>/extracted/{source_table}/{part}.json",
    log:
        "<logs>/extract/{source_table}/{part}.log",
    benchmark:
        "<benchmarks>/extract/{source_table}/{part}.jsonl"
    conda:
        "../envs/etl.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000, per_mb=20, jobs=len(SHARDS)),
        runtime=minutes(15, per_mb=0.2),
    params:
        content=lambda wildcards: content_of(
            None
            if SIMULATED
            else [part.path for part in PARTS[wildcards.source_table, wildcards.part]]
        ),
        database=DATABASE.name,
        source_table=lambda wildcards: wildcards.source_table,
        unread=lambda wildcards: DATABASE.unread(
            wildcards.source_table, config["events"]["tables"], config["inputs"]
        ),
        members=lambda wildcards: [
            part.member for part in PARTS[wildcards.source_table, wildcards.part]
        ],
        shards=config["shards"],
        maximum_refused=config["extract"]["maximum_refused"],
        options=lambda wildcards: options_for(config["extract"], wildcards.source_table),
        code=code_hash(SCRIPTS / "extract.py", "cprd/layouts.toml"),
    message:
        "Read {wildcards.source_table}, from part {wildcards.part} on"
    script:
        "../scripts/extract.py"
