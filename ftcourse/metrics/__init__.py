"""Scores as fractions, intervals, thresholds, evaluation, reports, comparisons. No torch until a model is scored."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "scores": [
            "confusion",
            "accuracy",
            "precision",
            "recall",
            "f1",
            "balanced_accuracy",
            "matthews",
            "majority",
            "multilabel_scores",
            "Undefined",
            "undefined",
            "pearson",
            "spearman",
            "mse",
            "perplexity",
            "normalise_answer",
            "exact_match",
            "token_f1",
            "char_f1",
            "calibration_bins",
            "calibration_error",
            "better",
            "best_index",
        ],
        "intervals": [
            "resamples",
            "bootstrap_interval",
            "mcnemar",
            "paired_interval",
            "paired_bootstrap",
            "unanimous_interval",
            "mean_interval",
        ],
        "costs": ["Costs", "read_costs", "cheapest_threshold"],
        "thresholds": ["best_threshold", "choose_thresholds"],
        "evaluation": ["evaluate", "validator"],
        "report": ["Report", "Hardest"],
        "comparison": ["Comparison", "compare"],
        "drift": ["Drift", "DriftRows", "drift_rows", "compare_rows"],
    },
)
