"""Controls, live curves, and the training panel."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "base": ["Explorer", "front_end"],
        "controls": ["Controls"],
        "curves": ["Curves"],
        "panel": ["TrainingPanel"],
    },
)
