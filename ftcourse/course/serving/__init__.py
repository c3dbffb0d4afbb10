"""A model behind HTTP: requests read strictly, computed in batches, counted; drift; a page to try it."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "app": ["make_app", "serve", "serving"],
        "batching": ["Limits"],
    },
)
