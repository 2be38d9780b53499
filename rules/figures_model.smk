# Figures of the models: one rule each, for every endpoint that has it.
rule draw_block_comparison:
    input:
        metrics="<results>/models/{endpoint}/metrics.tsv",
    output:
        pdf="<results>/figures/block_comparison_{endpoint}.pdf",
        svg="<results>/figures/block_comparison_{endpoint}.svg",
        png=report(
            "<results>/figures/block_comparison_{endpoint}.png",
            caption="captions/block_comparison.rst",
            category="Models",
            labels={"endpoint": "{endpoint}", "figure": "blocks compared"},
        ),
        csv="<results>/figures/block_comparison_{endpoint}.csv",
    log:
        "<logs>/figures/draw_block_comparison_{endpoint}.log",
    benchmark:
        "<benchmarks>/figures/draw_block_comparison_{endpoint}.tsv"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        model=model_settings(FIGURE_KEYS),
        dpi=lookup("figures/dpi", within=config),
        code=code_digest(
            *MODEL_FIGURE_CODE,
            "report/figures_model_blocks.py",
            "report/forest.py",
        ),
    message:
        "Drawing the comparison of blocks of {wildcards.endpoint}"
    script:
        "../scripts/draw_block_comparison.py"


rule draw_block_differences:
    input:
        metrics="<results>/models/{endpoint}/metrics.tsv",
    output:
        pdf="<results>/figures/block_differences_{endpoint}.pdf",
        svg="<results>/figures/block_differences_{endpoint}.svg",
        png=report(
            "<results>/figures/block_differences_{endpoint}.png",
            caption="captions/block_differences.rst",
            category="Models",
            labels={"endpoint": "{endpoint}", "figure": "differences between blocks"},
        ),
        csv="<results>/figures/block_differences_{endpoint}.csv",
    log:
        "<logs>/figures/draw_block_differences_{endpoint}.log",
    benchmark:
        "<benchmarks>/figures/draw_block_differences_{endpoint}.tsv"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        model=model_settings(FIGURE_KEYS),
        dpi=lookup("figures/dpi", within=config),
        code=code_digest(
            *MODEL_FIGURE_CODE,
            "report/figures_model_blocks.py",
            "report/forest.py",
        ),
    message:
        "Drawing the differences between blocks of {wildcards.endpoint}"
    script:
        "../scripts/draw_block_differences.py"


rule draw_roc_by_horizon:
    input:
        curves="<results>/models/{endpoint}/roc_curves.tsv",
        metrics="<results>/models/{endpoint}/metrics.tsv",
    output:
        pdf="<results>/figures/roc_by_horizon_{endpoint}.pdf",
        svg="<results>/figures/roc_by_horizon_{endpoint}.svg",
        png=report(
            "<results>/figures/roc_by_horizon_{endpoint}.png",
            caption="captions/roc_by_horizon.rst",
            category="Models",
            labels={"endpoint": "{endpoint}", "figure": "ROC curves"},
        ),
        csv="<results>/figures/roc_by_horizon_{endpoint}.csv",
    log:
        "<logs>/figures/draw_roc_by_horizon_{endpoint}.log",
    benchmark:
        "<benchmarks>/figures/draw_roc_by_horizon_{endpoint}.tsv"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        model=model_settings(FIGURE_KEYS),
        dpi=lookup("figures/dpi", within=config),
        code=code_digest(
            *MODEL_FIGURE_CODE,
            "report/figures_model_roc.py",
        ),
    message:
        "Drawing the ROC curves of {wildcards.endpoint}"
    script:
        "../scripts/draw_roc_by_horizon.py"


rule draw_calibration:
    input:
        curves="<results>/models/{endpoint}/calibration_curves.tsv",
        metrics="<results>/models/{endpoint}/metrics.tsv",
    output:
        pdf="<results>/figures/calibration_{endpoint}.pdf",
        svg="<results>/figures/calibration_{endpoint}.svg",
        png=report(
            "<results>/figures/calibration_{endpoint}.png",
            caption="captions/calibration.rst",
            category="Models",
            labels={"endpoint": "{endpoint}", "figure": "calibration"},
        ),
        csv="<results>/figures/calibration_{endpoint}.csv",
    log:
        "<logs>/figures/draw_calibration_{endpoint}.log",
    benchmark:
        "<benchmarks>/figures/draw_calibration_{endpoint}.tsv"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        model=model_settings(FIGURE_KEYS),
        dpi=lookup("figures/dpi", within=config),
        code=code_digest(
            *MODEL_FIGURE_CODE,
            "report/figures_model_calibration.py",
        ),
    message:
        "Drawing the calibration of {wildcards.endpoint}"
    script:
        "../scripts/draw_calibration.py"


rule draw_decision_curves:
    input:
        curves="<results>/models/{endpoint}/decision_curves.tsv",
        metrics="<results>/models/{endpoint}/metrics.tsv",
    output:
        pdf="<results>/figures/decision_curves_{endpoint}.pdf",
        svg="<results>/figures/decision_curves_{endpoint}.svg",
        png=report(
            "<results>/figures/decision_curves_{endpoint}.png",
            caption="captions/decision_curves.rst",
            category="Models",
            labels={"endpoint": "{endpoint}", "figure": "decision curves"},
        ),
        csv="<results>/figures/decision_curves_{endpoint}.csv",
    log:
        "<logs>/figures/draw_decision_curves_{endpoint}.log",
    benchmark:
        "<benchmarks>/figures/draw_decision_curves_{endpoint}.tsv"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        model=model_settings(FIGURE_KEYS),
        thresholds=lookup("model/thresholds", within=config),
        dpi=lookup("figures/dpi", within=config),
        code=code_digest(
            *MODEL_FIGURE_CODE,
            "report/figures_model_decision.py",
        ),
    message:
        "Drawing the decision curves of {wildcards.endpoint}"
    script:
        "../scripts/draw_decision_curves.py"


rule draw_outcome_by_risk_group:
    input:
        predictions="<results>/models/{endpoint}/predictions.parquet",
    output:
        pdf="<results>/figures/outcome_by_risk_group_{endpoint}.pdf",
        svg="<results>/figures/outcome_by_risk_group_{endpoint}.svg",
        png=report(
            "<results>/figures/outcome_by_risk_group_{endpoint}.png",
            caption="captions/outcome_by_risk_group.rst",
            category="Models",
            labels={"endpoint": "{endpoint}", "figure": "outcome by risk group"},
        ),
        csv="<results>/figures/outcome_by_risk_group_{endpoint}.csv",
    log:
        "<logs>/figures/draw_outcome_by_risk_group_{endpoint}.log",
    benchmark:
        "<benchmarks>/figures/draw_outcome_by_risk_group_{endpoint}.tsv"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        model=model_settings(FIGURE_KEYS),
        dpi=lookup("figures/dpi", within=config),
        code=code_digest(
            *MODEL_FIGURE_CODE,
            "report/figures_model_outcome.py",
            "report/predictions.py",
        ),
    message:
        "Drawing the outcome by risk group of {wildcards.endpoint}"
    script:
        "../scripts/draw_outcome_by_risk_group.py"


rule draw_subgroup_performance:
    input:
        subgroups="<results>/models/{endpoint}/subgroups.tsv",
        metrics="<results>/models/{endpoint}/metrics.tsv",
    output:
        pdf="<results>/figures/subgroup_performance_{endpoint}.pdf",
        svg="<results>/figures/subgroup_performance_{endpoint}.svg",
        png=report(
            "<results>/figures/subgroup_performance_{endpoint}.png",
            caption="captions/subgroup_performance.rst",
            category="Models",
            labels={"endpoint": "{endpoint}", "figure": "performance by subgroup"},
        ),
        csv="<results>/figures/subgroup_performance_{endpoint}.csv",
    log:
        "<logs>/figures/draw_subgroup_performance_{endpoint}.log",
    benchmark:
        "<benchmarks>/figures/draw_subgroup_performance_{endpoint}.tsv"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        model=model_settings(FIGURE_KEYS),
        dpi=lookup("figures/dpi", within=config),
        code=code_digest(
            *MODEL_FIGURE_CODE,
            "report/figures_model_subgroups.py",
            "report/forest.py",
        ),
    message:
        "Drawing the performance by subgroup of {wildcards.endpoint}"
    script:
        "../scripts/draw_subgroup_performance.py"


rule draw_importance:
    input:
        importance="<results>/models/{endpoint}/importance.tsv",
        coefficients="<results>/models/{endpoint}/coefficients.tsv",
    output:
        pdf="<results>/figures/importance_{endpoint}.pdf",
        svg="<results>/figures/importance_{endpoint}.svg",
        png=report(
            "<results>/figures/importance_{endpoint}.png",
            caption="captions/importance.rst",
            category="Models",
            labels={"endpoint": "{endpoint}", "figure": "importance"},
        ),
        csv="<results>/figures/importance_{endpoint}.csv",
    log:
        "<logs>/figures/draw_importance_{endpoint}.log",
    benchmark:
        "<benchmarks>/figures/draw_importance_{endpoint}.tsv"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        model=model_settings(FIGURE_KEYS),
        dpi=lookup("figures/dpi", within=config),
        code=code_digest(
            *MODEL_FIGURE_CODE,
            "report/figures_model_importance.py",
            "report/forest.py",
        ),
    message:
        "Drawing the importance of {wildcards.endpoint}"
    script:
        "../scripts/draw_importance.py"


rule draw_predicted_observed:
    input:
        predictions="<results>/models/{endpoint}/predictions.parquet",
        metrics="<results>/models/{endpoint}/metrics.tsv",
    output:
        pdf="<results>/figures/predicted_observed_{endpoint}.pdf",
        svg="<results>/figures/predicted_observed_{endpoint}.svg",
        png=report(
            "<results>/figures/predicted_observed_{endpoint}.png",
            caption="captions/predicted_observed.rst",
            category="Models",
            labels={"endpoint": "{endpoint}", "figure": "forecast and observed"},
        ),
        csv="<results>/figures/predicted_observed_{endpoint}.csv",
    log:
        "<logs>/figures/draw_predicted_observed_{endpoint}.log",
    benchmark:
        "<benchmarks>/figures/draw_predicted_observed_{endpoint}.tsv"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        model=model_settings(FIGURE_KEYS),
        dpi=lookup("figures/dpi", within=config),
        code=code_digest(
            *MODEL_FIGURE_CODE,
            "report/figures_model_agreement.py",
            "report/forest.py",
            "report/predictions.py",
        ),
    message:
        "Drawing the agreement of forecast and observed of {wildcards.endpoint}"
    script:
        "../scripts/draw_predicted_observed.py"
