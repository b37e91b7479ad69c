"""Les nombres que la prose des labs cite, et par quel chemin les relire dans les fiches.

`QUOTES` : des morceaux de phrase, où chaque nombre est un chemin de `tools.values` ; une fois
remplis, ils doivent se trouver mot pour mot dans le lab. `ESTIMATES` : des nombres écrits en toutes
lettres ou arrondis (« un tirage sur seize »), avec ce qui les calcule et l'intervalle permis.
"""

SEARCH, FINALISTS, MODELS = "cvae_search/rows", "cvae_finalists/rows", "cvae_fashion_models/rows"
BETAS = "vae_beta/rows"
GRID, CHOSEN, SQUARED = "vae_shapes/rows", "vae_finalists/rows", "vae_squared/rows"
WAYS, AUTO = "ddpm_samples/rows", "ddpm_autoguidance/rows"
MNIST_GAN, CLOTHES_GAN = "gan_worksheet_mnist/rows", "gan_worksheet_fashion_mnist/rows"

QUOTES = {
    "03_vae": [
        "La FID est la plus basse à 1 et à 2, sans les départager : "
        f"{{{BETAS}[beta=1.0]/fid:0}} et {{{BETAS}[beta=2.0]/fid:0}}",
    ],
    "04_cvae": [
        "il fait {cvae_search_importances/rows[setting=beta]/importance:0%} de la variation du "
        "score",
        f"sur trois graines, {{{FINALISTS}[rank=1]/score:1}} contre "
        f"{{{FINALISTS}[rank=3]/score:1}} pour la dimension 20",
        "en vingt époques, "
        f"{{{MODELS}[recipe=normal;seed=0]/score:1}} et {{{MODELS}[recipe=normal;seed=1]/score:1}} "
        f"contre {{{MODELS}[recipe=small;seed=0]/score:1}} et "
        f"{{{MODELS}[recipe=small;seed=1]/score:1}}",
        f"{{{MODELS}[recipe=normal;seed=0]/score:1}} puis "
        f"{{{MODELS}[recipe=report;seed=0]/score:1}} et "
        f"{{{MODELS}[recipe=normal;seed=1]/score:1}} puis "
        f"{{{MODELS}[recipe=report;seed=1]/score:1}}, à vingt puis à trente époques",
        "que les chiffres, {cvae_fashion/metrics/conditional_accuracy:0p} et "
        "{cvae_fashion_small/metrics/conditional_accuracy:0%} contre "
        "{cvae/metrics/conditional_accuracy:0p} et {cvae_small/metrics/conditional_accuracy:0%}",
        "qui reconnaît {classifier_fashion/metrics/accuracy:0%} des vrais",
    ],
    "05_gan": [
        f"sa perte tombe à {{{MNIST_GAN}[epoch=7]/discriminator_loss:3}} à la septième",
        f"de {{{MNIST_GAN}[epoch=10]/fid:0}} à {{{MNIST_GAN}[epoch=20]/fid:0}}, et l'entropie "
        f"retombe de {{{MNIST_GAN}[epoch=10]/entropy:2}} à {{{MNIST_GAN}[epoch=20]/entropy:2}}",
        f"la FID passe de {{{MNIST_GAN}[epoch=20]/fid:0}} à {{{MNIST_GAN}[epoch=50]/fid:0}} entre "
        "les époques 20 et 50",
        f"à {{{CLOTHES_GAN}[epoch=50]/fid:0}}, les classes passent de deux à dix",
        f"une entropie de {{{CLOTHES_GAN}[epoch=50]/entropy:3}} et "
        f"{{{MNIST_GAN}[epoch=50]/entropy:3}}",
        "et {dcgan_class/metrics/conditional_accuracy:0%} de ses tirages sont de la classe "
        "demandée",
    ],
    "08_ddpm": [
        "{ddpm_guidance/rows[scale=2.0]/diversity:3} contre "
        "{ddpm_guidance_real/rows[]/diversity:3}, pour un seul réseau",
    ],
}


SHAPES = (
    "dense 400", "dense 256-128", "dense 512-256", "conv 32-64", "conv 16-32-64", "conv 32-64-128",
)  # fmt: skip


def _twelve_nats(value):
    best = value(f"{SEARCH}[beta=1.0]/0/score")
    return value(f"{SEARCH}[beta=5.0]/0/score") - best


def best_beta(measure, sign=1):
    """Le β dont la mesure est la plus petite, ou la plus grande si `sign` vaut -1."""

    def find(value):
        betas = (0.2, 0.5, 1.0, 2.0, 5.0)
        return min(betas, key=lambda beta: sign * value(f"{BETAS}[beta={beta}]/{measure}"))

    return find


ESTIMATES = {
    "02_autoencoder": [
        (
            "celle des tirages est presque divisée par deux",
            lambda value: (
                value("autoencoder/metrics/samples_recognised_64")
                / value("autoencoder/metrics/samples_recognised_2")
            ),
            0.5,
            0.6,
        ),
    ],
    "03_vae": [
        (
            "la moyenne retrouve les deux nombres du rapport à 2 % près",
            lambda value: max(
                abs(value(f"{SQUARED}[shape=dense 512-256-128;output=sigmoïde]/{name}") / said - 1)
                for name, said in (("loss_first", 6438), ("loss_last", 4399))
            ),
            0,
            0.02,
        ),
        (
            "les deux formes qui commencent par 512 finissent 2 à 3 % plus bas que 784-256-128-2",
            lambda value: (
                1
                - value(f"{SQUARED}[shape=dense 512-256-128;output=sigmoïde]/loss_last")
                / value(f"{SQUARED}[shape=dense 256-128;output=sigmoïde]/loss_last")
            ),
            0.02,
            0.03,
        ),
        (
            "l'erreur y pèserait treize fois plus devant la KL",
            lambda value: 128 * 784 / (2 * value(f"{SQUARED}[output=sigmoïde]/squared_last")),
            12.5,
            13.5,
        ),
        (
            "De deux à dix dimensions, la perte chute de trente-huit nats au moins",
            lambda value: min(
                value(f"{GRID}[shape={shape};latent_dim=2]/total")
                - value(f"{GRID}[shape={shape};latent_dim=10]/total")
                for shape in SHAPES
            ),
            38,
            39,
        ),
        (
            "la perte dépasse d'un nat et demi au plus celle de vingt dimensions",
            lambda value: max(
                value(f"{GRID}[shape={shape};latent_dim=100]/total")
                - value(f"{GRID}[shape={shape};latent_dim=20]/total")
                for shape in SHAPES
            ),
            1,
            2,
        ),
        (
            "« dense 400 » sépare vingt et cinquante de 0,4 nat seulement",
            lambda value: (
                value(f"{GRID}[shape=dense 400;latent_dim=20]/total")
                - value(f"{GRID}[shape=dense 400;latent_dim=50]/total")
            ),
            0.35,
            0.45,
        ),
        (
            "sur cent, « dense 512-256 » en garde dix-neuf actives",
            lambda value: value(f"{GRID}[shape=dense 512-256;latent_dim=100]/active"),
            19,
            19,
        ),
        (
            "« Dense 512-256 » à cinq dimensions, dix-neuf nats plus loin",
            lambda value: (
                value(f"{CHOSEN}[model=dense 512-256, d = 5]/total")
                - value(f"{CHOSEN}[model=conv 32-64-128, d = 20]/total")
            ),
            18.5,
            19.5,
        ),
        (
            "ses tirages sont, en moyenne, moins reconnus (68 %) que ceux",
            lambda value: value(f"{CHOSEN}[model=conv 32-64-128, d = 20]/recognised"),
            0.675,
            0.685,
        ),
        (
            "de « dense 512-256 » à toutes ses dimensions (72 à 78 %)",
            lambda value: min(
                value(f"{CHOSEN}[model=dense 512-256, d = {d}]/recognised") for d in (20, 50, 100)
            ),
            0.715,
            0.725,
        ),
        (
            "à toutes ses dimensions (72 à 78 %)",
            lambda value: value(f"{CHOSEN}[model=dense 512-256, d = 5]/recognised"),
            0.775,
            0.785,
        ),
        (
            "en vingt époques (section 9), sa FID descend à 166",
            lambda value: value("vae_dense/metrics/samples_fid"),
            165.5,
            166.5,
        ),
        (
            "La FID la plus basse en moyenne est celle de l'autre choix du rapport, "
            "« conv 32-64-128 » à dix dimensions",
            lambda value: (
                min(
                    ("conv 32-64-128, d = 10", "conv 32-64-128, d = 20", "conv 32-64-128, d = 100")
                    + tuple(f"dense 512-256, d = {d}" for d in (5, 20, 50, 100)),
                    key=lambda model: value(f"{CHOSEN}[model={model}]/fid"),
                )
                == "conv 32-64-128, d = 10"
            ),
            True,
            True,
        ),
        (
            "une graine sur trois s'est effondrée : aucune unité active, une KL nulle, 206 nats",
            lambda value: max(
                value(f"{CHOSEN}[model=conv 32-64-128, d = 50;seed={seed}]/total")
                for seed in range(3)
            ),
            205.5,
            206.5,
        ),
        (
            "« conv 32-64-128 » soixante-trois",
            lambda value: value(f"{GRID}[shape=conv 32-64-128;latent_dim=100]/active"),
            63,
            63,
        ),
        (
            "près de trois tirages sur quatre sont reconnus (ligne `vae_dense_2d` du tableau)",
            lambda value: value("vae_dense_2d/metrics/samples_recognised"),
            0.7,
            0.75,
        ),
        ("les reconstructions sont les plus fidèles à 0,2", best_beta("bce"), 0.2, 0.2),
        ("la somme BCE + KL est la plus basse à 0,5 (question 10)", best_beta("total"), 0.5, 0.5),
        (
            "où il ne reste que six unités actives",
            lambda value: value(f"{BETAS}[beta=5.0]/active"),
            6,
            6,
        ),
    ],
    "04_cvae": [
        ("la meilleure à $\\beta = 5$ est douze nats plus loin", _twelve_nats, 11.5, 12.5),
        (
            "L'écart, 1,6 nat, est huit fois celui de deux graines (0,2)",
            lambda value: (
                value(f"{MODELS}[recipe=small]/score") - value(f"{MODELS}[recipe=normal]/score")
            ),
            1.55,
            1.65,
        ),
        (
            "Il se trompe sur 7 % des vraies images, dix fois plus souvent que son pareil sur "
            "MNIST",
            lambda value: (
                (1 - value("classifier_fashion/metrics/test_accuracy"))
                / (1 - value("classifier/metrics/test_accuracy"))
            ),
            9.5,
            10.5,
        ),
    ],
    "05_gan": [
        (
            "sa FID est sept fois plus petite",
            lambda value: value("dcgan/metrics/fid") / value("dcgan_class/metrics/fid"),
            6.5,
            7.5,
        ),
    ],
    "10_comparaison": [
        (
            "pour une durée quatre-vingt-dix fois plus longue",
            lambda value: (
                value("comparison_costs/rows[model=flow_10]/seconds/0")
                / value("comparison_costs/rows[model=dcgan]/seconds/0")
            ),
            85,
            99,
        ),
        (
            "il faut payer plus de quatre cents fois plus pour que la FID du DCGAN soit",
            lambda value: (
                value("comparison_costs/rows[model=flow_50]/seconds/0")
                / value("comparison_costs/rows[model=dcgan]/seconds/0")
            ),
            400,
            500,
        ),
        (
            "Le DDIM autoguidé domine le DDPM et ses mille pas, quatorze fois plus cher",
            lambda value: (
                value("comparison_costs/rows[model=ddpm]/seconds/0")
                / value("comparison_costs/rows[model=ddim_auto]/seconds/0")
            ),
            13,
            15,
        ),
        (
            "d'après le premier de chaque modèle, le juge dense plaçait le DCGAN devant le flux",
            lambda value: (
                value("comparison_verdicts/rows[model=flow_50;judge=dense;lot=0]/fid")
                - value("comparison_verdicts/rows[model=dcgan;judge=dense;lot=0]/fid")
            ),
            0.1,
            1,
        ),
        (
            "alors que quinze de ses images sur cent ne sont pas reconnues",
            lambda value: 100 * (1 - value("comparison_dcgan/rows[]/recognised")),
            14.5,
            15.5,
        ),
        (
            "sa FID dépasse celle d'Euler de seize points",
            lambda value: (
                value("comparison_steps/rows[method=flux, Heun;calls=10]/fid")
                - value("comparison_steps/rows[method=flux, Euler;calls=10]/fid")
            ),
            15.5,
            16.5,
        ),
    ],
    "08_ddpm": [
        (
            "Un tirage sur seize n'est pourtant pas reconnu",
            lambda value: 1 / (1 - value(f"{WAYS}[way=DDPM, 1000 pas]/recognised")),
            15.5,
            16.5,
        ),
        (
            "mais leur FID est trois fois plus haute",
            lambda value: (
                value(f"{WAYS}[way=DDIM, 50 pas]/fid") / value(f"{WAYS}[way=DDPM, 1000 pas]/fid")
            ),
            2.75,
            3.25,
        ),
        (
            "elle abaisse la FID de près d'un tiers",
            lambda value: (
                1
                - value(f"{WAYS}[way=DDIM, 50 pas]/fid")
                / value(f"{WAYS}[way=DDIM, 50 pas, derniers poids]/fid")
            ),
            0.3,
            1 / 3,
        ),
        (
            "la FID devient près de six fois plus petite",
            lambda value: (
                value(f"{WAYS}[way=DDIM, 50 pas]/fid")
                / value(f"{AUTO}[way=DDIM, 50 pas;scale=1.5]/fid")
            ),
            5.5,
            6.0,
        ),
        (
            "La ligne $s = 0$ de son tableau montre à quel point il est mauvais : un tirage sur "
            "trois n'est pas reconnu",
            lambda value: 1 / (1 - value("ddpm_guidance/rows[scale=0.0]/recognised")),
            2.75,
            3.25,
        ),
    ],
}
