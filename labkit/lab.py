"""Un lab et ses deux profils : `complet` calcule et enregistre, `rapide` relit."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labkit._names import did_you_mean

if TYPE_CHECKING:  # un lab sans réseau de neurones n'a pas à attendre torch
    from torch import Tensor, nn

    from labkit.training import History

_PROFILES = ("rapide", "complet")
_POINTS = Path("sorties") / "points"


@dataclass
class Trained:
    """Un modèle entraîné et de quoi l'enregistrer, comme `save_reference` le demande."""

    model: nn.Module
    architecture: Mapping
    history: History
    metrics: Mapping[str, float]


class Lab:
    """Ce qu'un lab sait de lui-même : nom, profil, graine, réglages, et fiches de ses résultats.

    `lab.settings` sont les réglages du profil, `lab.complete` dit s'il est `complet`, et
    `lab.cards` garde la fiche de chaque référence et de chaque tableau enregistrés ou relus.

    Args:
        name: nom du notebook, `08_ddpm` ; son numéro commence le nom des points de reprise.
        profile: "rapide" ou "complet".
        seed: graine, entier positif ou nul.
        settings: réglages de chaque profil, `{"rapide": {…}, "complet": {…}}`.

    Raises:
        ValueError: profil inconnu, graine négative, trop grande ou qui n'est pas un entier.
    """

    def __init__(self, name: str, profile: str, seed: int, settings: Mapping[str, Mapping]):
        _check_profile(profile)
        _check_seed(seed)
        self.name, self.profile, self.seed = name, profile, seed
        if profile not in settings:
            raise ValueError(
                f"settings ne dit rien du profil {profile!r} : donnez-lui une entrée, "
                f"{{{profile!r}: {{…}}}}."
            )
        self.settings = settings[profile]
        self.complete = profile == "complet"
        self.cards: dict[str, dict] = {}

    def fingerprint(self) -> dict:
        """Décrit le lab pour une empreinte, où les réglages lus par le programme figurent déjà."""
        return {"lab": self.name, "profile": self.profile, "seed": self.seed}

    def provenance(self, data) -> dict:
        """Dit d'où vient un résultat de ce lab : commit, graine, `data` et leur somme, machine."""
        from labkit import references

        return references.provenance(self.name, data, self.seed)

    def checkpoint(self, name: str) -> Path | None:
        """Nomme le point de reprise à donner à `fit` ; None en profil `rapide`."""
        return self._point(name) if self.complete else None

    def results(self, name: str, compute: Callable[[], list], *, data) -> list[dict]:
        """Donne les lignes d'un tableau : calculées et enregistrées, ou relues en profil `rapide`.

        Args:
            name: nom du tableau.
            compute: fonction sans argument qui renvoie les lignes, colonne -> valeur.
            data: données employées, ou fonction sans argument qui les donne en profil `complet`.
        """
        from labkit import references

        if self.complete:
            made_by = self._made_by(compute)
            rows = compute()
            card = references.save_results(name, rows, made_by=made_by, **self._origin(data))
        else:
            card = references.load_results(name)
        self.cards[name] = card
        return card["rows"]

    def reference(self, name: str, train: Callable[[], Trained], *, data) -> tuple[nn.Module, dict]:
        """Donne un modèle et sa fiche : entraîné et enregistré, ou relu en profil `rapide`.

        Args:
            name: nom de la référence.
            train: fonction sans argument qui renvoie `Trained(model, architecture, …)`.
            data: données d'entraînement, ou fonction sans argument qui les donne, appelée en profil
                `complet` seulement.

        Raises:
            TypeError: `train` renvoie autre chose.
            ReferenceModelError: entraînement interrompu, ou référence absente ou abîmée.
        """
        from labkit import references

        if not self.complete:
            model = references.load_reference(name)
            self.cards[name] = references.list_references()[name]
            return model, self.cards[name]
        made_by = self._made_by(train)
        trained = train()
        if not isinstance(trained, Trained):
            raise TypeError(
                "`train` doit renvoyer labkit.Trained(model, architecture, history, metrics), "
                f"reçu {type(trained).__name__}."
            )
        self.cards[name] = references.save_reference(
            name, trained.model, trained.architecture, history=trained.history,
            metrics=trained.metrics, made_by=made_by, **self._origin(data),
        )  # fmt: skip
        return trained.model, self.cards[name]

    def cached(
        self,
        name: str,
        draw: Callable[[int], Tensor],
        count: int,
        *,
        block: int = 500,
        **made_by: object,
    ) -> Tensor:
        """Tire `count` images par blocs, gardés en profil `complet` : un lab arrêté reprend.

        Un bloc gardé porte l'empreinte de ce qui l'a fait : programme de `draw`, réglages et
        modèles qu'il lit, poids compris, graine. Quand elle diffère, le bloc est tiré de nouveau,
        et ce qui a changé est affiché.

        Args:
            name: nom des images, unique dans le lab.
            draw: fonction n -> n images, tirées avec le hasard de `torch`, fixé pour chaque bloc.
            count: nombre d'images.
            block: nombre d'images d'un bloc.
            made_by: ce qu'il faut ajouter à l'empreinte et que `draw` ne montre pas.

        Returns:
            Les images, [count, …].
        """
        import torch

        from labkit.fingerprints import fingerprint, weights_in

        found = fingerprint(draw=draw, seed=self.seed, **made_by) | {"weights": weights_in(draw)}
        images, reasons = [], []
        for start in range(0, count, block):
            size = min(block, count - start)
            path = self._point(name, start) if self.complete else None
            kept = _read_block(path, found | {"count": size}, reasons)
            if kept is None:
                torch.manual_seed(self.seed + start)
                kept = draw(size)
                _write_block(path, found | {"count": size}, kept)
            images.append(kept)
        if reasons:
            print(f"{name} : images tirées de nouveau ({' ; '.join(dict.fromkeys(reasons))}).")
        return torch.cat(images)

    def _point(self, name: str, *details: int) -> Path:
        number = self.name.partition("_")[0]
        return _POINTS / f"{'_'.join(map(str, (number, name, self.seed, *details)))}.pt"

    def _origin(self, data) -> dict:
        return {"lab": self.name, "data": data() if callable(data) else data, "seed": self.seed}

    def _made_by(self, function: Callable) -> dict:
        from labkit.fingerprints import fingerprint

        return fingerprint(code=function, settings=self.settings)


def _read_block(path: Path | None, made_by: dict, reasons: list[str]) -> Tensor | None:
    """Le bloc gardé s'il est bien celui que l'on veut ; sinon `reasons` dit pourquoi."""
    import torch

    from labkit.fingerprints import changes

    if path is None or not path.is_file():
        return None
    try:
        kept = torch.load(path, weights_only=True)
    except Exception:  # tronqué, remplacé, d'un autre format : toujours la même réponse
        reasons.append(f"{path.name} était abîmé")
        return None
    found = changes(kept.get("made_by") if isinstance(kept, dict) else None, made_by)
    reasons += found
    return None if found else kept["images"]


def _write_block(path: Path | None, made_by: dict, images: Tensor) -> None:
    import torch

    from labkit.files import write_atomically

    if path is not None:
        buffer = io.BytesIO()
        torch.save({"made_by": made_by, "images": images}, buffer)
        write_atomically(path, buffer.getvalue())


def _check_profile(profile: Any) -> None:
    if profile not in _PROFILES:
        raise ValueError(
            f'profil doit être "rapide" ou "complet", reçu {profile!r}.'
            f"{did_you_mean(profile, _PROFILES)}"
        )


def _check_seed(seed: Any) -> None:
    is_integer = isinstance(seed, int) and not isinstance(seed, bool)
    if not is_integer or not 0 <= seed < 2**32:  # la borne est celle de NumPy
        raise ValueError(
            f"graine doit être un entier de 0 à 4294967295, reçu {seed!r}. Écrivez graine = 0."
        )
