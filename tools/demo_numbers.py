"""Les nombres que montrent les démonstrations, repris des résultats enregistrés par les labs."""

from __future__ import annotations

import statistics

import torch

import labkit
from labkit import plots, references
from labkit.text.grammar import PHRASES

# Les concurrents du lab 10, dans ses mots : nom court -> titre.
CONTENDERS = {
    "ae": "AE",
    "vae_dense": "VAE dense",
    "vae_conv": "VAE convolutif",
    "cvae": "CVAE",
    "gan": "GAN dense",
    "dcgan": "DCGAN",
    "stylegan3": "StyleGAN3",
    "ddpm": "DDPM",
    "ddim_50": "DDIM, 50 pas",
    "ddim_auto": "DDIM autoguidé",
    "flow_50": "flux, 50 pas",
}
FEWER_STEPS = {"flow_10": ("flux, 10 pas", 10), "flow_20": ("flux, 20 pas", 20)}
MEASURES = ("fid", "recall", "precision", "coverage", "recognised")


def comparison() -> list[dict]:
    """La qualité et le coût de chaque façon de tirer du lab 10, de la moins chère à la plus chère.

    Returns:
        Par modèle : `name` et `title`, `parameters`, `seconds` (durée médiane de 64 tirages sur un
        fil), et `measures` : nom -> valeurs de chaque lot de tirages, celles qui ont été mesurées.
    """
    costs = references.load_results("comparison_costs")["rows"]
    models = [_contender(cost) for cost in costs]
    return sorted(models, key=lambda model: model["seconds"])


def _contender(cost: dict) -> dict:
    name = cost["model"]
    title, measures = _measured(name)
    return {
        "name": name,
        "title": title,
        "parameters": cost["parameters"],
        "seconds": round(statistics.median(cost["seconds"]), 5),
        "measures": measures,
    }


def _measured(name: str) -> tuple[str, dict[str, list[float]]]:
    """Le titre d'un modèle, et ses mesures ; le flux en peu de pas n'en a que deux."""
    if name in FEWER_STEPS:
        title, calls = FEWER_STEPS[name]
        rows = [
            row
            for row in references.load_results("comparison_steps")["rows"]
            if (row["method"], row["calls"]) == ("flux, Euler", calls)
        ]
    else:
        title = CONTENDERS[name]
        rows = references.load_results(f"comparison_{name}")["rows"]
    known = [measure for measure in MEASURES if measure in rows[0]]
    return title, {measure: [round(row[measure], 4) for row in rows] for measure in known}


def worksheet() -> list[dict]:
    """Les époques du GAN de la fiche sur MNIST (lab 5) : pertes, mesures, images de bruits fixes.

    Returns:
        Par époque gardée : `epoch`, `generatorLoss` et `discriminatorLoss` (rien à l'époque 0),
        `fid`, `entropy`, `classes`, `pictures` (un PNG, des images côte à côte) et `counts`, le
        nombre de ces images que le classifieur du cours range dans chaque classe.
    """
    rows = references.load_results("gan_worksheet_mnist")["rows"]
    classifier = labkit.load_reference("classifier")
    return [
        {
            "epoch": row["epoch"],
            "generatorLoss": row["generator_loss"],
            "discriminatorLoss": row["discriminator_loss"],
            "fid": round(row["fid"], 2),
            "entropy": round(row["entropy"], 4),
            "classes": int(row["classes"]),
            "pictures": row["pictures"],
            "counts": _counts(classifier, row["pictures"]),
        }
        for row in rows
    ]


@torch.no_grad()
def _counts(classifier: torch.nn.Module, pictures: str) -> list[int]:
    images = torch.tensor(plots.from_text(pictures), dtype=torch.float32).unsqueeze(1)
    return classifier(images).argmax(dim=1).bincount(minlength=10).tolist()


def vocabulary() -> list[str]:
    """Les jetons de `phrases`, par numéro : `<fin>`, `<masque>`, puis les mots."""
    return list(PHRASES.tokenizer.tokens)
