"""What everything stands on: errors, settings, hyperparameters, the machine, files, tables."""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "errors": ["CourseError", "warn", "hearing"],
        "hparams": ["HyperParams"],
        "settings": ["use_profile", "find_settings", "data_folder", "cache_folder"],
        "machine": ["seed_everything", "set_threads"],
        "files": ["write_atomic", "replace_file", "replace_folder"],
        "tables": ["text_table", "html_table", "markdown_table"],
    },
)
