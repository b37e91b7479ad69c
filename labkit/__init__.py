"""labkit : le code sur lequel s'appuient les labs du cours de modèles génératifs.

`import labkit` reste léger : chaque nom public n'importe son module qu'au premier usage.
"""

import importlib
import warnings

__version__ = "0.1.0"

# Nom public -> module qui le définit.
_PUBLIC = {
    "load_images": "data",
    "ImageSet": "data",
    "ImageSplits": "data",
    "load_text": "text",
    "TextSplits": "text",
    "verify": "exercises",
    "Lab": "lab",
    "Trained": "lab",
    "fit": "training",
    "Player": "training",
    "History": "training",
    "stepped": "training",
    "warmup_cosine": "training",
    "moving_average": "training",
    "muon": "training",
    "pick_device": "training",
    "set_seed": "training",
    "build": "references",
    "load_reference": "references",
    "list_references": "references",
    "load_results": "references",
    "save_reference": "references",
    "save_results": "references",
    "run_study": "studies",
    "Table": "tables",
    "count_parameters": "tables",
    "number": "tables",
    "explore": "widgets",
    "over_seeds": "spreads",
    "percent": "tables",
    "spread": "spreads",
}
_MODULES = (
    "clouds", "data", "equivariance", "exercises", "metrics", "models", "perceptron", "plane",
    "plots", "points", "references", "spreads", "studies", "tables", "text", "training",
)  # fmt: skip

__all__ = [*_PUBLIC, *_MODULES]

# Dans un noyau Jupyter sans ipywidgets, tqdm s'en plaint à qui l'importe : Accelerate, Optuna.
warnings.filterwarnings("ignore", message="IProgress not found")


def __getattr__(name: str):
    if name in _MODULES:
        return importlib.import_module(f"labkit.{name}")
    if name in _PUBLIC:
        return getattr(importlib.import_module(f"labkit.{_PUBLIC[name]}"), name)
    raise AttributeError(f"labkit n'a pas d'attribut {name!r}")


def __dir__() -> list[str]:
    return __all__
