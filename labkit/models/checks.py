"""Ce que les modèles vérifient de leurs entrées, une fois, à l'appel public."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor, nn

from labkit.edges import check_whole, received
from labkit.tables import rounded

TO_UNIT = "x / 255 les ramène à [0, 1]"  # ce qu'il faut faire d'octets

_AS_BATCHES = (
    "l'intervalle attendu. Les lots de `images.batches(...)` y sont par défaut ; divisez des "
    "octets par 255."
)
_TRUSTED = ContextVar("trusted", default=False)
_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


@contextmanager
def trusted_inputs() -> Iterator[None]:
    """Dit aux réseaux que leurs entrées sont vérifiées : les relire ferait attendre le GPU."""
    token = _TRUSTED.set(True)
    try:
        yield
    finally:
        _TRUSTED.reset(token)


def inputs_are_trusted() -> bool:
    """Dit si l'appelant, comme la boucle des tirages, a déjà vérifié les entrées du réseau."""
    return _TRUSTED.get()


def check_tensor(x: Tensor, name: str = "images") -> Tensor:
    """Renvoie x, si c'est un tenseur."""
    if not isinstance(x, Tensor):
        advice = " ; écrivez torch.as_tensor(…)" if hasattr(x, "__len__") else ""
        raise ValueError(f"{name} : un tenseur est attendu, reçu {type(x).__name__}{advice}.")
    return x


def check_unit_interval(x: Tensor, reason: str = _AS_BATCHES) -> Tensor:
    """Renvoie x, si ce sont des nombres réels de [0, 1] ; `reason` finit le message d'erreur.

    Raises:
        ValueError: entiers, aucune image, valeurs hors de [0, 1] ou NaN.
    """
    check_real_images(x, TO_UNIT)
    low, high = x.aminmax()
    if not (low >= 0 and high <= 1):  # vrai aussi pour NaN
        raise ValueError(f"images hors de [0, 1] (de {rounded(low)} à {rounded(high)}), {reason}")
    return x


def check_real_images(x: Tensor, remedy: str) -> Tensor:
    """Renvoie x, si c'est un tenseur, non vide, de nombres réels, et non d'octets de 0 à 255."""
    if not check_tensor(x).is_floating_point():
        raise ValueError(f"images : nombres réels attendus, reçu {x.dtype} ; {remedy}.")
    if not x.numel():
        raise ValueError(f"images : au moins une image est attendue, reçu {list(x.shape)}.")
    return x


def check_dtype(module: nn.Module, x: Tensor, name: str = "images") -> Tensor:
    """Renvoie x, s'il a la précision des poids, ou si torch les accorde lui-même.

    Il le fait sous autocast, mais pas d'entiers ni de float64.

    Raises:
        ValueError: autre précision, comme après `torch.set_default_dtype(torch.float64)`.
    """
    expected = next((p.dtype for p in module.parameters()), x.dtype)
    if x.dtype != expected and not _reconciled(x, expected):
        raise ValueError(
            f"{name} en {x.dtype} pour un modèle en {expected}. Convertissez par .to({expected}) ; "
            "si torch.set_default_dtype a servi, remettez torch.float32 avant de créer le modèle."
        )
    return x


def _reconciled(x: Tensor, expected: torch.dtype) -> bool:
    autocast = torch.is_autocast_enabled(x.device.type)
    return autocast and x.is_floating_point() and torch.float64 not in (x.dtype, expected)


def class_tensor(labels: Tensor | Sequence[int], num_classes: int, count: int | None) -> Tensor:
    """Renvoie les classes en int64 [B] ; une liste d'entiers convient.

    Raises:
        ValueError: autre chose que des entiers, hors de 0 … num_classes - 1, ou d'un autre nombre
            que `count`.
    """
    wanted = (
        f"labels : classes entières [{count or 'B'}] entre 0 et {num_classes - 1} attendues, une "
        "par image"
    )
    try:
        tensor = torch.as_tensor(labels)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{wanted}, reçu {received(labels)}.") from error
    is_real = tensor.is_floating_point() or tensor.is_complex()
    one_each = tensor.dim() == 1 and count in (None, len(tensor))
    if is_real or tensor.dtype == torch.bool or not one_each:
        advice = " ; labels.long() convertit des nombres réels" if is_real else ""
        raise ValueError(f"{wanted}, reçu {tensor.dtype} {list(tensor.shape)}{advice}.")
    if len(tensor) and (tensor.min() < 0 or tensor.max() >= num_classes):
        raise ValueError(f"{wanted}, reçu de {tensor.min()} à {tensor.max()}.")
    return tensor.long()


def check_sizes(name: str, sizes: Sequence[int]) -> tuple[int, ...]:
    """Renvoie les tailles de couches successives, des entiers d'au moins 1."""
    sizes_given = tuple(sizes) if isinstance(sizes, Iterable) else ()
    if not sizes_given:
        raise TypeError(
            f"{name} attend une suite d'entiers, reçu {received(sizes)} : écrivez {name}=(64, 32)."
        )
    return tuple(check_whole(f"{name}[{i}]", size) for i, size in enumerate(sizes_given))


def check_codes(z: Tensor, latent_dim: int) -> Tensor:
    """Renvoie les codes z, s'ils sont [B, latent_dim], comme le décodeur les attend."""
    if check_tensor(z, "codes z").dim() != 2 or z.shape[1] != latent_dim:
        raise ValueError(f"codes z [B, {latent_dim}] attendus, reçu {list(z.shape)}.")
    return z


def as_images(x: Tensor) -> Tensor:
    """Remet des images [B, 784] ou [B, 1, 28, 28] en [B, 1, 28, 28]."""
    if check_tensor(x).dim() < 2 or x.shape[1:].numel() != 784:
        raise ValueError(f"images de 784 pixels attendues, reçu {list(x.shape)}.")
    return x.reshape(len(x), 1, 28, 28)


def check_ids(ids: Tensor, vocab_size: int, longest: int | None = None) -> Tensor:
    """Renvoie ids, si ce sont des jetons int64 [B, T] du vocabulaire, T de 1 à `longest`.

    Raises:
        ValueError: autre type, autre forme, texte trop long, jetons hors de 0 … vocab_size - 1.
    """
    if check_tensor(ids, "ids").dtype != torch.int64:
        raise ValueError(
            f"ids : jetons entiers int64 attendus, reçu {ids.dtype} ; écrivez ids.long()."
        )
    if ids.dim() != 2 or not ids.numel():
        advice = " ; ids[None] ajoute l'axe des textes" if ids.dim() == 1 and len(ids) else ""
        raise ValueError(
            "ids : jetons [B, T] attendus, B textes d'au moins un jeton, reçu "
            f"{list(ids.shape)}{advice}."
        )
    if longest is not None and ids.shape[1] > longest:
        raise ValueError(
            f"ids : {ids.shape[1]} jetons, le modèle en lit au plus {longest} (block_size). Gardez "
            f"les derniers, ids[:, -{longest}:]."
        )
    low, high = (int(value) for value in ids.aminmax())
    if low < 0 or high >= vocab_size:
        raise ValueError(
            f"ids : jetons entre 0 et {vocab_size - 1} attendus, reçu de {low} à {high}. Ce texte "
            "est-il codé par le vocabulaire de ce modèle ?"
        )
    return ids


def check_penalty(make_step: Callable) -> Callable:
    """Décore un pas de GAN : il refuse une pénalité dont un réglage, comme γ, n'est pas donné.

    C'est un décorateur parce que les empreintes les ignorent : aucun résultat n'en dépend.
    """

    @functools.wraps(make_step)
    def checked(*arguments: object, **options: object) -> Callable:
        given = inspect.signature(make_step).bind(*arguments, **options).arguments
        if (penalty := given.get("penalty")) is not None:
            _check_settled(penalty)
        return make_step(*arguments, **options)

    return checked


def _check_settled(penalty: object) -> None:
    """Vérifie qu'une pénalité n'attend plus que (D, vraies images, images tirées)."""
    if not callable(penalty):
        raise TypeError(
            f"penalty attend une fonction (D, vraies, tirées) -> scalaire, reçu {received(penalty)}"
            " : écrivez partial(r1_penalty, gamma=1.0)."
        )
    parameters = inspect.signature(penalty).parameters.values()
    needed = [p.name for p in parameters if p.default is p.empty and p.kind in _NAMED]
    if missing := needed[3:]:
        name = getattr(getattr(penalty, "func", penalty), "__name__", "penalite")
        settled = ", ".join(f"{setting}=1.0" for setting in missing)
        raise TypeError(
            f"penalty : {name} attend encore {', '.join(missing)}. Écrivez penalty=partial({name}, "
            f"{settled}), avec partial de functools."
        )
