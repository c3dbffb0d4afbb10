"""What a reader touches: lessons, plots, the ledger of claims, exercises, widgets, the command line."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "lesson": ["start_lesson"],
        "ledger": ["Claim", "claim", "Ledger", "read_claims"],
        "plots": ["plot_history", "plot_intervals", "plot_draws", "plot_confusion"],
    },
)
