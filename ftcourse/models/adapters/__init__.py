"""Updates beside a network's layers, low-rank ones, in PEFT's format; and layers of 4 bits below them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "lora": ["add_lora", "low_rank_layers", "use_update", "without_update"],
        "merging": ["merge"],
        "folders": ["load_adapter"],
        "quantised": ["quantise", "dequantise", "quantised_layers", "weight_bytes"],
    },
)
