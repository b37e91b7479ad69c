"""Les références : de petits modèles déjà entraînés, que les labs lents chargent.

Chacune est un fichier de poids (safetensors) et une fiche JSON qui dit d'où elle vient : lab,
commit, graine, données et leur somme, époques, machine, durée, mesures. Elles sont enregistrées
par le lab lui-même, en profil `complet`, et installées dans le paquet par `make references`.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor, nn

from labkit._names import did_you_mean
from labkit.data import ImageSplits
from labkit.training import History

_INSTALLED = Path(__file__).parent / "reference"
_SAVED = Path("sorties") / "references"
_MAX_BYTES = 25_000_000


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

    Args:
        name: l'un des noms de `list_references()`.

    Returns:
        Le modèle, en mode évaluation, sur le processeur.

    Raises:
        ValueError: référence inconnue.
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
    model = _build(card["architecture"])
    model.load_state_dict(load(content))  # float16 sur le disque, float32 dans le modèle
    return model.eval()


def save_reference(
    name: str,
    model: nn.Module,
    architecture: Mapping,
    *,
    lab: str,
    data: ImageSplits,
    seed: int,
    history: History,
    metrics: Mapping[str, float],
) -> dict:
    """Enregistre un modèle entraîné et sa fiche de provenance dans `sorties/references`.

    Les poids y sont en float16, pour que le paquet reste léger.

    Args:
        name: nom de la référence.
        model: modèle entraîné.
        architecture: de quoi le reconstruire : `{"class": "AutoEncoder", "latent_dim": 2}` ; un
            argument qui est lui-même un modèle s'écrit de la même façon.
        lab: nom du notebook qui l'a entraîné.
        data: jeu d'images d'entraînement.
        seed: graine de l'expérience.
        history: ce que `fit` a renvoyé.
        metrics: mesures finales, nom -> valeur.

    Returns:
        La fiche de provenance.

    Raises:
        ReferenceModelError: l'architecture ne reconstruit pas ce modèle, ou les poids dépassent 25
            Mo.
    """
    from safetensors.torch import save

    _check_architecture(architecture, model)
    content = save({key: _compact(value) for key, value in model.state_dict().items()})
    if len(content) > _MAX_BYTES:
        size = f"{len(content) / 1e6:.0f} Mo"
        raise ReferenceModelError(f"{name} pèse {size}, au-delà des 25 Mo permis.")
    card = {
        "architecture": dict(architecture),
        **_provenance(lab, data, seed),
        "epochs": len(history.seconds),
        "seconds": round(sum(history.seconds), 1),
        "metrics": {key: round(value, 5) for key, value in metrics.items()},
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    _SAVED.mkdir(parents=True, exist_ok=True)
    path = _SAVED / f"{name}.safetensors"
    path.write_bytes(content)
    _write_json(path.with_suffix(".json"), card)
    return card


def save_results(
    name: str, rows: Sequence[Mapping], *, lab: str, data: ImageSplits, seed: int
) -> dict:
    """Enregistre le tableau d'une étude et sa provenance dans `sorties/references/results`.

    Args:
        name: nom du tableau.
        rows: ses lignes, colonne -> valeur.
        lab: nom du notebook qui l'a calculé.
        data: jeu d'images employé.
        seed: graine de l'expérience.

    Returns:
        La fiche : provenance, et le tableau sous la clé `rows`.
    """
    card = {**_provenance(lab, data, seed), "rows": [dict(row) for row in rows]}
    _write_json(_SAVED / "results" / f"{name}.json", card)
    return card


def load_results(name: str) -> dict:
    """Relit le tableau d'une étude livrée avec labkit.

    Args:
        name: nom donné à `save_results`.

    Returns:
        La fiche : provenance, et le tableau sous la clé `rows`.

    Raises:
        ValueError: tableau inconnu.
        ReferenceModelError: tableau illisible.
    """
    known = _cards(_INSTALLED / "results")
    if name not in known:
        raise ValueError(f"tableau {name!r} inconnu. Au choix : {', '.join(known) or 'aucun'}.")
    return _read_json(known[name])


def _provenance(lab: str, data: ImageSplits, seed: int) -> dict:
    return {
        "lab": lab,
        "commit": _commit(),
        "seed": seed,
        "dataset": {"name": data.name, "train": len(data.train), "sha256": _checksum(data)},
        "machine": _machine(),
    }


def _write_json(path: Path, card: Mapping) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


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
        f"Au choix : {', '.join(known) or 'aucune'}."
    )


def _build(architecture: Mapping) -> nn.Module:
    from labkit import models

    arguments = {
        key: _build(value) if isinstance(value, Mapping) else value
        for key, value in architecture.items()
        if key != "class"
    }
    return getattr(models, architecture["class"])(**arguments)


def _compact(value: Tensor) -> Tensor:
    """Le même tenseur en float16 s'il est réel : deux fois plus court, onze bits de précision."""
    value = value.detach().cpu().contiguous()
    return value.half() if value.is_floating_point() else value


def _check_architecture(architecture: Mapping, model: nn.Module) -> None:
    def shapes(module: nn.Module) -> dict:
        return {key: value.shape for key, value in module.state_dict().items()}

    rebuilt = _build(architecture)
    if type(rebuilt) is not type(model) or shapes(rebuilt) != shapes(model):
        raise ReferenceModelError(f"{dict(architecture)} ne reconstruit pas le modèle donné.")


def _checksum(data: ImageSplits) -> str:
    digest = hashlib.sha256(data.train.images.numpy())
    digest.update(data.train.labels.numpy())
    return digest.hexdigest()


def _commit() -> str:
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "inconnu (hors d'un dépôt git)"


def _machine() -> dict:
    import torch

    return {
        "processor": getattr(torch.cpu, "get_capabilities", dict)().get("cpu_name")
        or platform.machine(),
        "cores": os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
