"""Les références : de petits modèles déjà entraînés, que les labs lents chargent.

Chacune est un fichier de poids (safetensors) et une fiche JSON qui dit d'où elle vient : lab,
commit, graine, données et leur somme, époques, machine, durée, mesures, et l'empreinte de ce qui
l'a faite. Elles sont enregistrées par le lab lui-même, en profil `complet`, et installées dans le
paquet par `make references`.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import platform
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

from labkit._names import did_you_mean
from labkit.compact import pack, unpack
from labkit.files import write_atomically
from labkit.training import History
from labkit.training.device import prepare

_INSTALLED = Path(__file__).parent / "reference"
_SAVED = Path("sorties") / "references"
_MAX_BYTES = 25_000_000
_HOW_TO_MAKE = (
    "Ce qu'un lab enregistre se fait par python -m tools.references suivi de son nom, comme "
    "08_ddpm ; make references refait tout."
)
RUN_VARIABLE = "LABKIT_RUN"  # l'exécution du lab, que `make references` nomme et que la fiche garde


class ReferenceModelError(RuntimeError):
    """Une référence manque, est abîmée, ou ne peut être enregistrée."""


def list_references() -> dict[str, dict]:
    """Donne les références livrées avec labkit : nom -> fiche de provenance.

    Raises:
        ReferenceModelError: une fiche est illisible ; le message la nomme.
    """
    return {name: _read_json(path) for name, path in _cards(_INSTALLED).items()}


def load_reference(name: str) -> nn.Module:
    """Charge un modèle déjà entraîné, après avoir vérifié la somme de contrôle de ses poids.

    Returns:
        Le modèle en mode évaluation, sur le processeur et en float32, quels que soient l'appareil
        et le type par défaut de `torch`, ses poids rangés comme ses convolutions les préfèrent.

    Raises:
        ValueError: référence inconnue ; le message donne `list_references()`.
        ReferenceModelError: fiche illisible, ou poids absents ou abîmés.
    """
    from safetensors.torch import load

    card = _find_card(name)
    path = _INSTALLED / f"{name}.safetensors"
    content = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(content).hexdigest() != card["sha256"]:
        raise ReferenceModelError(
            f"les poids de {name!r} ({path}) sont absents ou abîmés. Réinstallez labkit, ou "
            "reconstruisez la référence par make references."
        )
    with _plain_defaults():
        model = build(card["architecture"])
        model.load_state_dict(unpack(load(content)))  # float32 dans le modèle
    prepare(model, torch.device("cpu"))
    return model.eval()


def build(architecture: Mapping) -> nn.Module:
    """Construit un modèle neuf d'après son architecture, celle que portent les fiches.

    `{"class": "labkit.models.AutoEncoder", "latent_dim": 2}` : la classe par son chemin complet
    dans labkit, puis ses arguments ; un argument qui est un modèle s'écrit de la même façon.

    Raises:
        ValueError: classe absente, inconnue ou sans chemin complet, arguments qu'elle refuse.
    """
    arguments = {
        key: build(value) if isinstance(value, Mapping) and "class" in value else value
        for key, value in architecture.items()
        if key != "class"
    }
    make = _find_class(architecture.get("class"))
    try:
        return make(**arguments)
    except TypeError as error:
        raise ValueError(
            f"{architecture['class']} refuse les arguments {sorted(arguments)} ({error})."
        ) from error


def save_reference(
    name: str,
    model: nn.Module,
    architecture: Mapping,
    *,
    lab: str,
    data,
    seed: int,
    history: History,
    metrics: Mapping[str, float],
    made_by: Mapping | None = None,
) -> dict:
    """Enregistre un modèle entraîné et sa fiche de provenance dans `sorties/references`.

    Les poids y sont en float16, ou en huit bits par ligne si le modèle passe quatre millions de
    paramètres, pour que le paquet reste léger (`labkit.compact`). Un arrêt entre les deux fichiers
    se voit : la fiche porte la somme des poids, que `load_reference` vérifie.

    Args:
        name: nom de la référence.
        model: modèle entraîné.
        architecture: de quoi le reconstruire, comme pour `build`.
        lab: nom du notebook qui l'a entraîné, `02_autoencoder`.
        data: données d'entraînement, décrites par leur méthode `fingerprint()`.
        seed: graine de l'expérience.
        history: ce que `fit` a renvoyé ; l'empreinte de l'entraînement passe sur la fiche.
        metrics: mesures finales, nom -> valeur.
        made_by: ce qu'il faut y ajouter, comme le renvoie `fingerprints.fingerprint`.

    Returns:
        La fiche de provenance.

    Raises:
        ReferenceModelError: entraînement interrompu, architecture qui ne reconstruit pas ce
            modèle, ou poids au-delà de 25 Mo.
        FileError: disque plein, ou dossier où l'on ne peut pas écrire.
    """
    from safetensors.torch import save

    _check_finished(name, history)
    _check_architecture(architecture, model)
    content = save(pack(model.state_dict()))
    if len(content) > _MAX_BYTES:
        size = f"{len(content) / 1e6:.0f} Mo"
        raise ReferenceModelError(f"{name} pèse {size}, au-delà des 25 Mo permis.")
    card = {
        "architecture": dict(architecture),
        **provenance(lab, data, seed),
        "made_by": {**(history.made_by or {}), **(made_by or {})},
        "epochs": len(history.seconds),
        "seconds": round(sum(history.seconds), 1),
        "metrics": {key: round(value, 5) for key, value in metrics.items()},
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    text = _to_json(name, card)
    write_atomically(_SAVED / f"{name}.safetensors", content)
    write_atomically(_SAVED / f"{name}.json", text)
    return card


def save_results(
    name: str,
    rows: Sequence[Mapping],
    *,
    lab: str,
    data,
    seed: int,
    made_by: Mapping | None = None,
) -> dict:
    """Enregistre le tableau d'une étude et sa provenance dans `sorties/references/results`.

    Args:
        name: nom du tableau.
        rows: ses lignes, colonne -> nombre ou texte.
        lab: nom du notebook qui l'a calculé.
        data: données employées, décrites par leur méthode `fingerprint()`.
        seed: graine de l'expérience.
        made_by: empreinte de ce qui l'a calculé.

    Returns:
        La fiche : provenance, et le tableau sous la clé `rows`.

    Raises:
        ReferenceModelError: une valeur n'est ni un nombre, ni un texte, ni une liste.
        FileError: disque plein, ou dossier où l'on ne peut pas écrire.
    """
    card = {
        **provenance(lab, data, seed),
        "made_by": dict(made_by or {}),
        "rows": [dict(row) for row in rows],
    }
    write_atomically(_SAVED / "results" / f"{name}.json", _to_json(name, card))
    return card


def load_results(name: str) -> dict:
    """Relit le tableau d'une étude livrée avec labkit.

    Returns:
        La fiche : provenance, et le tableau sous la clé `rows`.

    Raises:
        ValueError: tableau inconnu.
        ReferenceModelError: tableau illisible.
    """
    known = _cards(_INSTALLED / "results")
    if name not in known:
        raise ValueError(
            f"tableau {name!r} inconnu.{did_you_mean(name, known)} Au choix : "
            f"{', '.join(known) or 'aucun'}. {_HOW_TO_MAKE}"
        )
    return _read_json(known[name])


def provenance(lab: str, data, seed: int) -> dict:
    """Dit d'où vient un résultat : lab, commit, graine, données et leur somme, machine.

    Args:
        lab: nom du notebook.
        data: données employées, décrites par leur méthode `fingerprint()`.
        seed: graine de l'expérience.
    """
    run = os.environ.get(RUN_VARIABLE)
    return {
        "lab": lab,
        "commit": _commit(),
        **({"run": run} if run else {}),
        "seed": seed,
        "dataset": data.fingerprint(),
        "machine": _machine(),
    }


def _to_json(name: str, card: Mapping) -> bytes:
    try:
        return (json.dumps(card, indent=1, ensure_ascii=False) + "\n").encode("utf-8")
    except TypeError as error:
        raise ReferenceModelError(
            f"{name} contient une valeur qui n'est ni un nombre, ni un texte, ni une liste "
            f"({error}). Convertissez-la d'abord, par exemple par `.item()` ou `.tolist()`."
        ) from error


def _read_json(path: Path) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:  # ValueError : ni du JSON, ni de l'UTF-8
        raise ReferenceModelError(
            f"la fiche {path} est illisible ({error}). Réinstallez labkit, ou reconstruisez-la par "
            "make references."
        ) from error


def _cards(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in sorted(folder.glob("*.json"))}


def _find_card(name: str) -> dict:
    known = _cards(_INSTALLED)
    if name in known:
        return _read_json(known[name])
    raise ValueError(
        f"référence {name!r} inconnue.{did_you_mean(name, known)} "
        f"Au choix : {', '.join(known) or 'aucune'}. {_HOW_TO_MAKE}"
    )


def _find_class(path: object) -> type[nn.Module]:
    module, _, name = str(path).rpartition(".")
    if not module.startswith("labkit."):
        raise ValueError(
            f'"class" attend un chemin complet, "labkit.models.AutoEncoder", reçu {path!r}.'
        )
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError):
        found = None
    if isinstance(found, type) and issubclass(found, nn.Module):
        return found
    raise ValueError(f"classe {path!r} inconnue.{did_you_mean(path, _model_classes())}")


def _model_classes() -> list[str]:
    """Les chemins des classes du cours, sans les fonctions qui les accompagnent."""
    models = importlib.import_module("labkit.models")
    named = {name: getattr(models, name) for name in models.__all__}
    return [
        f"labkit.models.{name}"
        for name, value in named.items()
        if isinstance(value, type) and issubclass(value, nn.Module)
    ]


@contextmanager
def _plain_defaults() -> Iterator[None]:
    """Le processeur et float32, quoi que l'utilisateur ait choisi par défaut."""
    dtype = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        with torch.device("cpu"):
            yield
    finally:
        torch.set_default_dtype(dtype)


def _check_finished(name: str, history: History) -> None:
    if history.interrupted_at is not None:
        epoch, step = history.interrupted_at
        raise ReferenceModelError(
            f"{name} n'est pas enregistré : son entraînement a été interrompu à l'époque {epoch}, "
            f"lot {step}. Relancez la cellule qui l'entraîne jusqu'au bout."
        )


def _check_architecture(architecture: Mapping, model: nn.Module) -> None:
    def shapes(module: nn.Module) -> dict:
        return {key: value.shape for key, value in module.state_dict().items()}

    rebuilt = build(architecture)
    if type(rebuilt) is not type(model) or shapes(rebuilt) != shapes(model):
        raise ReferenceModelError(f"{dict(architecture)} ne reconstruit pas le modèle donné.")


def _commit() -> str:
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "inconnu (hors d'un dépôt git)"


def _machine() -> dict:
    gpu = {"gpu": torch.cuda.get_device_name()} if torch.cuda.is_available() else {}
    return {
        **gpu,
        "processor": getattr(torch.cpu, "get_capabilities", dict)().get("cpu_name")
        or platform.machine(),
        "cores": os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
