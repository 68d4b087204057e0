"""The figures, each as PNG and SVG.

In: what the entry of a figure in src/behrt/catalogue.toml names, for most of them tables.
Out: figures/<figure>.png, figures/<figure>.svg.
"""

figure_of = lambda wildcards: FIGURE[wildcards.figure]


rule figure:
    input:
        unpack(lambda wildcards: inputs_of(figure_of(wildcards))),
    output:
        png=reported("<results>/figures/{figure}.png", figure_of, "PNG"),
        svg=reported("<results>/figures/{figure}.svg", figure_of, "SVG"),
    log:
        "<logs>/figure/{figure}.log",
    benchmark:
        "<benchmarks>/figure/{figure}.jsonl"
    wildcard_constraints:
        figure="|".join(FIGURE),
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=memory(1500, per_mb=40),
        runtime=minutes(30, per_mb=1),
    params:
        module=lambda wildcards: figure_of(wildcards).module,
        tables=lambda wildcards: list(figure_of(wildcards).tables),
        settings=lambda wildcards: settings_of(figure_of(wildcards)),
        data=config["source"],
        code=lambda wildcards: code_of(figure_of(wildcards)),
        # Snakemake compares no function of `output`: an edited caption draws no figure again.
        caption=lambda wildcards, output: caption_of(figure_of(wildcards)),
    message:
        "Draw the figure {wildcards.figure}"
    script:
        "../scripts/figure.py"
