"""Classes by their path, `package.module:Class`: how checkpoints and the configuration name what they are made of."""

import importlib


def class_path(kind: type) -> str:
    """Name a class so that `import_class` finds it."""
    return f"{kind.__module__}:{kind.__qualname__}"


def import_class(path: str) -> type:
    """Import the class of a path. Raises ValueError in one line where there is none."""
    module, _, name = path.partition(":")
    try:
        kind = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"{path}: {error}; a class path is package.module:Class") from error
    if not isinstance(kind, type):
        raise ValueError(f"{path} is no class")
    return kind
