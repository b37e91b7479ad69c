"""Écrit les poids que lisent les démonstrations, dans `demos/weights/`.

    python -m tools.demos
    python -m tools.demos --codes

`make site` les écrit dans le site ; la première commande sert à qui ouvre `demos/…/index.html` de
son disque. La seconde refait `demos/latent/codes.js`, des codes de vraies images : il y faut MNIST.
"""

from __future__ import annotations

import argparse
import base64
import functools
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

import labkit
from labkit.files import write_atomically
from tools import demo_numbers, notebooks

DEMOS = notebooks.ROOT / "demos"

Tensors = Mapping[str, Tensor]

# --- les poids --------------------------------------------------------------------------------


def part(reference: str, prefix: str) -> Tensors:
    """Les poids d'une référence dont le nom commence par `prefix`, qui en est ôté."""
    weights = labkit.load_reference(reference).state_dict()
    return {
        name.removeprefix(prefix): value
        for name, value in weights.items()
        if name.startswith(prefix) and value.is_floating_point()
    }


# Démonstration -> fichiers de poids qu'elle charge, et de quoi faire chacun.
WEIGHTS: dict[str, dict[str, Callable[[], Tensors]]] = {
    "latent": {
        "autoencoder": lambda: awake("autoencoder"),
        "vae_dense_2d": lambda: awake("vae_dense_2d"),
        "latent_map": lambda: latent_map(),
    },
    "diffusion": {"ddpm_class": lambda: part("ddpm_class", "model.")},
    "path": {
        "dcgan": lambda: part("dcgan", "layers."),
        "classifier": lambda: part("classifier", ""),
    },
    "filter": {
        "stylegan3": lambda: part("stylegan3", ""),
        "stylegan3_aliased": lambda: part("stylegan3_aliased", ""),
    },
    "words": {
        "lm_phrases_diffusion": lambda: part("lm_phrases_diffusion", ""),
        "lm_phrases_causal": lambda: part("lm_phrases_causal", ""),
    },
    "classes": {
        "cvae_small": lambda: part("cvae_small", "decoder."),
        "classifier": lambda: part("classifier", ""),
    },
}


# Démonstration -> fichiers de nombres qu'elle charge de même, et de quoi faire chacun.
NUMBERS: dict[str, dict[str, Callable[[], object]]] = {
    "cost": {"comparison": demo_numbers.comparison},
    "path": {"worksheet": demo_numbers.worksheet},
    "words": {"vocabulary": demo_numbers.vocabulary},
}


def write_weights(demos: Path = DEMOS) -> list[Path]:
    """Écrit dans `demos/weights/` ce que lisent les démonstrations de ce dossier.

    Args:
        demos: dossier des démonstrations, ou sa copie.

    Returns:
        Les fichiers écrits.
    """
    written = {}
    for demo in sorted(folder.name for folder in demos.iterdir() if folder.is_dir()):
        for name, make in WEIGHTS.get(demo, {}).items():
            written[name] = demos / "weights" / f"{name}.js"
            write_atomically(written[name], script(name, make()).encode("ascii"))
        for name, make in NUMBERS.get(demo, {}).items():
            written[name] = demos / "weights" / f"{name}.js"
            text = f"weightFiles.{name} = {json.dumps(make())};\n"
            write_atomically(written[name], text.encode("ascii"))
    return list(written.values())


def script(name: str, tensors: Tensors) -> str:
    """Le script d'un fichier de poids : noms, formes, et les nombres en float16, en base64.

    Args:
        name: nom sous lequel la page les demande.
        tensors: nom -> tenseur réel.
    """
    halves = [value.detach().half().contiguous().numpy() for value in tensors.values()]
    content = b"".join(half.astype("<f2").tobytes() for half in halves)
    file = {
        "tensors": [[key, list(value.shape)] for key, value in tensors.items()],
        "base64": base64.b64encode(content).decode("ascii"),
    }
    return f"weightFiles.{name} = {json.dumps(file)};\n"


# --- le plan latent des labs 2 et 3 -----------------------------------------------------------

CODES = DEMOS / "latent" / "codes.js"
PLANES = ("autoencoder", "vae_dense_2d")
REACH, SIDE = 3.0, 81  # la grille du plan : SIDE points par côté, de -REACH à REACH
CODES_PER_CLASS = 60
PREFIX = "globalThis.latentCodes = "


# Les couches de chaque décodeur, de z à l'image.
DENSE = {"autoencoder": ("0", "2", "4"), "vae_dense_2d": ("hidden.0", "hidden.2", "to_logits")}


def grid_codes(name: str) -> Tensor:
    """Les codes z [SIDE², 2] de la grille où la démonstration se promène ; une ligne a même u2."""
    steps = torch.linspace(-REACH, REACH, SIDE)
    points = torch.cartesian_prod(steps, steps).flip(1)
    plane = read_codes()[name]
    return torch.tensor(plane["mean"]) + points @ torch.tensor(plane["factor"]).T


def awake(name: str) -> Tensors:
    """Un décodeur du plan sans ses neurones éteints en tout point de la grille.

    Le dessin n'en change pas, et les poids de la démonstration passent de 1,6 à 1,2 Mo.
    """
    weights = dict(part(name, "decoder."))
    h = grid_codes(name)
    for layer, following in zip(DENSE[name][:-1], DENSE[name][1:], strict=True):
        h = torch.relu(h @ weights[f"{layer}.weight"].T + weights[f"{layer}.bias"])
        kept = (h > 0).any(dim=0)
        h = h[:, kept]
        for kind in ("weight", "bias"):
            weights[f"{layer}.{kind}"] = weights[f"{layer}.{kind}"][kept]
        weights[f"{following}.weight"] = weights[f"{following}.weight"][:, kept]
    return weights


@functools.cache
def latent_map() -> Tensors:
    """Ce que le classifieur du cours lit en chaque point de la grille : classe, et probabilité.

    Les tenseurs sont [SIDE, SIDE], la première coordonnée variant le long des lignes.
    """
    classifier = labkit.load_reference("classifier")
    tensors = {}
    for name in PLANES:
        with torch.no_grad():
            images = labkit.load_reference(name).decode(grid_codes(name))
            confidence, label = classifier(images.view(-1, 1, 28, 28)).softmax(dim=1).max(dim=1)
        tensors[f"{name}.label"] = label.float().view(SIDE, SIDE)
        tensors[f"{name}.confidence"] = confidence.view(SIDE, SIDE)
    return tensors


def read_codes(path: Path = CODES) -> dict[str, dict]:
    """Relit `codes.js` : par modèle, la loi de tirage des codes, et ceux de vraies images."""
    text = path.read_text(encoding="utf-8").removeprefix(PREFIX).rstrip().rstrip(";")
    return {name: plane for name, plane in json.loads(text).items() if name in PLANES}


def make_codes() -> str:
    """Le texte de `codes.js`, d'après MNIST : z = moyenne + facteur · u, où u est N(0, I).

    Chaque modèle est vu dans la loi où ses labs tirent les codes : pour l'autoencodeur, la
    gaussienne de même moyenne et de même covariance que les codes d'entraînement (lab 2) ; pour le
    VAE, sa loi a priori (lab 3). Les codes montrés sont ceux d'images de test.
    """
    data = labkit.load_images("mnist")
    x_train, _ = data.train.tensors()
    x_test, y_test = data.test.tensors()
    chosen = torch.cat([(y_test == label).nonzero()[:CODES_PER_CLASS, 0] for label in range(10)])
    autoencoder, vae = (labkit.load_reference(name) for name in PLANES)
    with torch.no_grad():
        z_train, z = autoencoder.encode(x_train), autoencoder.encode(x_test[chosen])
        mu, _ = vae.encode(x_test[chosen])
    factor = torch.linalg.cholesky(torch.cov(z_train.T))
    mean = z_train.mean(dim=0)
    planes = {
        PLANES[0]: _plane(mean, factor, z),
        PLANES[1]: _plane(torch.zeros(2), torch.eye(2), mu),
        "labels": y_test[chosen].tolist(),
    }
    return f"{PREFIX}{json.dumps(planes)};\n"


def _plane(mean: Tensor, factor: Tensor, z: Tensor) -> dict:
    u = torch.linalg.solve_triangular(factor, (z - mean).T, upper=False).T
    rounded = [[round(value, 3) for value in point] for point in u.tolist()]
    return {"mean": mean.tolist(), "factor": factor.tolist(), "codes": rounded}


@notebooks.reports_file_errors
def main(arguments: list[str] | None = None) -> int:
    """Écrit les poids des démonstrations, ou les codes que montre celle du plan latent."""
    parser = argparse.ArgumentParser(description="Écrit les poids des démonstrations.")
    parser.add_argument("--codes", action="store_true", help="refait demos/latent/codes.js")
    if parser.parse_args(arguments).codes:
        write_atomically(CODES, make_codes().encode("ascii"))
        print(f"Écrit : {CODES}")
    for path in write_weights():
        print(f"Écrit : {path} ({labkit.number(path.stat().st_size / 1e6, 2)} Mo)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
