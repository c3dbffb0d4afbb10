"""From a file, folder, hub id or object to a task: sources, readers, columns, labels, splits."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "load": ["load_task", "as_task"],
        "sources": ["builtin_names", "open_source"],
        "readers": ["read_rows"],
    },
)
