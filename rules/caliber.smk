"""Get the public code lists, once, before a run on a licensed delivery (target `caliber`).

In: the pinned release, from the network or, with caliber_release.copy, from a folder or archive.
Out: the lists in caliber_release.folder, and a manifest that they are verified.
No other target depends on this one, so no run uses the network. It runs where Snakemake runs,
because the nodes of a cluster may have no network.
"""


rule caliber:
    output:
        verified=f"{config['caliber_release']['folder']}/verified.json",
    log:
        "<logs>/caliber.log",
    benchmark:
        "<benchmarks>/caliber.jsonl"
    localrule: True
    conda:
        "../envs/etl.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=60,
    params:
        address=config["caliber_release"]["address"],
        local_copy=config["caliber_release"]["copy"],
        code=code_hash(SCRIPTS / "caliber.py", "caliber/release.json"),
    message:
        "Get CALIBER's code lists"
    script:
        "../scripts/caliber.py"
