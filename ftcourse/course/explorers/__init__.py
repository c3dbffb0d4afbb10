"""One explorer a topic: change a number, and see what it does."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "attribution": ["show_attribution", "explore_attribution"],
        "batches": ["plot_padding", "explore_padding"],
        "cures": ["plot_cures", "explore_cures"],
        "label_curves": ["plot_budget", "explore_budget"],
        "loss": ["plot_softmax", "explore_softmax"],
        "preferences": ["plot_preference", "explore_preference"],
        "memory_budget": ["plot_memory", "explore_memory"],
        "plan": ["plot_plan", "explore_plan"],
        "sampling": ["plot_sampling", "explore_sampling"],
        "schedule": ["plot_schedule", "explore_schedule"],
        "scores": ["plot_calibration", "explore_calibration", "plot_threshold", "explore_threshold"],
        "spans": ["show_span", "explore_span"],
        "tokens": ["show_pieces", "explore_tokens"],
    },
)
