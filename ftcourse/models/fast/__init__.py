"""The same forward pass in fewer and larger steps, on a CPU."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={"network": ["FastNetwork"], "dropout": ["Dropper"]},
)
