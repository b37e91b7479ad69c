"""Les optimiseurs de PyTorch sans leur préparation à `torch.compile`, que le cours n'emploie pas.

Le premier optimiseur de `torch.optim` importe `torch._dynamo`, pour en protéger ses méthodes : neuf
cents modules, deux secondes avant le premier pas, davantage sur un ordinateur ancien.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from functools import partial

import torch

_GUARDED = ("add_param_group", "load_state_dict", "state_dict", "zero_grad")

Factory = Callable[..., torch.optim.Optimizer]


def eager(factory: Factory) -> Factory:
    """La même fabrique, dont l'optimiseur n'importe pas `torch._dynamo` s'il est de PyTorch."""
    if isinstance(factory, partial):
        return partial(eager(factory.func), *factory.args, **factory.keywords)
    is_optimizer = inspect.isclass(factory) and issubclass(factory, torch.optim.Optimizer)
    is_theirs = is_optimizer and factory.__module__.startswith("torch.optim")
    return _unguarded(factory) if is_theirs else factory


@functools.cache
def _unguarded(optimizer: type[torch.optim.Optimizer]) -> type[torch.optim.Optimizer]:
    """La même classe, ses méthodes telles qu'elles sont écrites ; `step` reste sans gradient."""
    methods = {name: inspect.unwrap(getattr(optimizer, name)) for name in _GUARDED}
    methods["step"] = torch.no_grad()(inspect.unwrap(optimizer.step))
    return type(optimizer.__name__, (optimizer,), methods)
