"""Studies: sweeps, GLUE, baselines, simple models, label curves, overfitting, attribution, probing; the tiny models."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "seeds": ["Seeds", "over_seeds"],
        "grid": ["GOOGLE_GRID", "Sweep", "sweep"],
        "glue": ["Scoreboard"],
        "baselines": ["bag_of_words", "fit_bag"],
        "simple": ["SimpleModels", "simple_models"],
        "label_curves": ["Curve", "label_curve", "measured_curves", "labels_needed"],
        "forecasts": ["fit_curve", "check_forecast"],
        "overfitting": ["Gap", "gap", "memorised", "long_run"],
        "cures": ["CURES", "Cures", "try_cures", "shipped_cures"],
        "attribution": ["Attribution", "attribute", "removal_curves"],
        "plan": ["Plan", "CARDS"],
        "probing": ["fit_probe", "cka"],
        "tiny_models": ["pretrain", "heldout_loss", "mood_probe"],
    },
)
