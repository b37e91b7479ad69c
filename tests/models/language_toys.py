"""De petits Transformers et de petits textes, que plusieurs tests partagent."""

import torch
from torch import nn

SIZES = {"block_size": 12, "n_layer": 2, "n_head": 3, "n_embd": 24}


def shaken(kind: type[nn.Module], **options) -> nn.Module:
    """Poids, biais et normes loin de leurs valeurs de départ : aucun ne compte pour rien."""
    torch.manual_seed(1)
    model = kind(50, **SIZES, **options)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model.eval()


def draw_ids(count: int = 12, seed: int = 0) -> torch.Tensor:
    return torch.randint(50, (3, count), generator=torch.Generator().manual_seed(seed))
