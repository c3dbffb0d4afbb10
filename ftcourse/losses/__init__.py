"""Losses as (sum, count): the sum over supervised targets in nats, and how many there are."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "preference": [
            "PairLogps",
            "sequence_logps",
            "dpo_loss",
            "ipo_loss",
            "simpo_loss",
            "kto_loss",
            "orpo_loss",
        ],
        "policy": ["group_advantages", "kl_estimate", "leave_one_out", "policy_loss"],
        "supervised": [
            "log_softmax",
            "supervised_rows",
            "cross_entropy",
            "balanced_weights",
            "mean_loss",
            "causal_loss",
            "masked_loss",
            "binary_cross_entropy",
            "squared_error",
            "span_loss",
        ],
    },
)
