"""The drawings of the lessons, and the map of the course."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "canvas": ["Drawing"],
        "catalogue": ["course_map", "drawing"],
    },
)
