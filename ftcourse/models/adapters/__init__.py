"""Updates beside a network's layers: low-rank ones, merged, saved and loaded in PEFT's format."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "lora": ["add_lora", "low_rank_layers", "use_update", "without_update"],
        "merge": ["merge"],
        "folders": ["load_adapter"],
    },
)
