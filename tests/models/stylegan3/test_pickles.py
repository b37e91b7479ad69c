"""La lecture des points de reprise : ce qui passe, et tout ce qui est refusé sans être exécuté."""

import builtins
import collections
import copyreg
import io
import os
import pickle
import struct
import sys
import types

import numpy as np
import pytest
import torch
from torch import nn

from labkit.models.stylegan3 import (
    CheckpointError,
    Generator,
    given_checkpoint,
    load_checkpoint,
    load_weights,
    read_checkpoint,
)

CONFIG = {
    "z_dim": 4, "c_dim": 2, "w_dim": 4, "img_resolution": 8, "img_channels": 1,
    "channel_base": 32, "channel_max": 4, "num_layers": 3, "mapping_kwargs": {"num_layers": 2},
}  # fmt: skip


class EasyDict(dict):
    """Le dictionnaire des points de reprise officiels, sous son nom officiel."""


def _reconstruct_persistent_obj(meta):
    raise AssertionError("le code du fichier a été exécuté")


EasyDict.__module__ = "dnnlib.util"
_reconstruct_persistent_obj.__module__ = "torch_utils.persistence"


class Persistent:
    """Un module tel que les points de reprise officiels l'enregistrent : son code et son état."""

    def __init__(self, state):
        self.meta = {
            "type": "class", "version": 6, "class_name": "Generator", "state": state,
            "module_src": "raise AssertionError('le code du fichier a été exécuté')",
        }  # fmt: skip

    def __reduce__(self):
        return _reconstruct_persistent_obj, (self.meta,)


@pytest.fixture(autouse=True)
def official_names(monkeypatch):
    """Les noms que `pickle` vérifie à l'écriture, absents à la lecture comme chez l'étudiant."""
    persistence, util = types.ModuleType("torch_utils.persistence"), types.ModuleType("dnnlib.util")
    persistence._reconstruct_persistent_obj, util.EasyDict = _reconstruct_persistent_obj, EasyDict
    for module in (persistence, util):
        package = module.__name__.partition(".")[0]
        monkeypatch.setitem(sys.modules, package, types.ModuleType(package))
        monkeypatch.setitem(sys.modules, module.__name__, module)


def persistent(module: nn.Module, **extra) -> Persistent:
    children = collections.OrderedDict(
        (name, persistent(child)) for name, child in module._modules.items() if child is not None
    )
    return Persistent({
        "training": False, "_parameters": collections.OrderedDict(module._parameters),
        "_buffers": collections.OrderedDict(module._buffers), "_modules": children,
        "_non_persistent_buffers_set": set(), "_backward_hooks": collections.OrderedDict(),
        "size": np.array([8, 8]), "rate": np.float64(16), **extra,
    })  # fmt: skip


def official(model, config=CONFIG):
    """Le contenu d'un point de reprise officiel."""
    config = EasyDict({**config, "mapping_kwargs": EasyDict(config["mapping_kwargs"])})
    generator = persistent(model, _init_args=(), _init_kwargs=config)
    return {
        "G": None, "G_ema": generator, "training_set_kwargs": EasyDict(path="ffhq.zip"),
        "augment_pipe": None,
    }  # fmt: skip


@pytest.fixture
def model():
    torch.manual_seed(0)
    model = Generator(**CONFIG)
    model(torch.randn(3, 4), [0, 1, 0])  # des moyennes qui ne sont plus celles du départ
    return model.eval()


@pytest.fixture
def write(tmp_path):
    """Écrit un objet, ou des octets, et donne le chemin."""

    def save(content, protocol=pickle.DEFAULT_PROTOCOL):
        path = tmp_path / "réseau.pkl"
        if not isinstance(content, bytes):
            content = pickle.dumps(content, protocol)
        path.write_bytes(content)
        return path

    return save


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_an_official_checkpoint_is_read_back(model, write, protocol, monkeypatch):
    path = write(official(model), protocol)
    for name in ("torch_utils.persistence", "dnnlib.util", "torch_utils", "dnnlib"):
        monkeypatch.setitem(sys.modules, name, None)  # les importer échouerait
    loaded = load_checkpoint(path)
    assert not loaded.training
    state = model.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in loaded.state_dict().items())
    z = torch.randn(2, 4)
    assert torch.equal(loaded(z, [0, 1], 0.7), model(z, [0, 1], 0.7))
    assert read_checkpoint(path)[0] == CONFIG


def test_settings_of_half_precision_are_read_and_change_nothing(model, write):
    config = {**CONFIG, "num_fp16_res": 4, "conv_clamp": None, "magnitude_ema_beta": 0.99}
    loaded = load_checkpoint(write(official(model, config)))
    assert loaded.synthesis.L0_28_4.magnitude_ema_beta == 0.99
    assert next(loaded.parameters()).dtype == torch.float32


def test_half_precision_views_and_empty_tensors(model, write):
    content = official(model)
    state = content["G_ema"].meta["state"]["_modules"]["mapping"].meta["state"]
    state["_buffers"]["w_avg"] = torch.arange(8.0).half()[1::2]  # un pas de 2, un début de 1
    assert load_checkpoint(write(content)).mapping.w_avg.tolist() == [1, 3, 5, 7]
    state["_buffers"]["w_avg"] = torch.zeros(0)
    with pytest.raises(CheckpointError, match=r"mapping.w_avg, attendu \[4\], trouvé \[0\]"):
        load_checkpoint(write(content))


def test_the_student_gives_a_file_by_a_variable(model, write, monkeypatch):
    monkeypatch.delenv("LABKIT_STYLEGAN3", raising=False)
    assert given_checkpoint() is None
    monkeypatch.setenv("LABKIT_STYLEGAN3", str(write(official(model))))
    assert load_checkpoint(given_checkpoint()).img_resolution == 8


# --- les fichiers hostiles ------------------------------------------------------------------------


class Call:
    """Ce qu'un fichier hostile demande d'appeler en le lisant."""

    def __init__(self, function, *arguments):
        self.request = function, arguments

    def __reduce__(self):
        return self.request


class WithState:
    """Un objet dont l'état serait posé par son propre `__setstate__`."""

    def __reduce__(self):
        return types.SimpleNamespace, (), {"run": 1}


def dotted() -> bytes:
    """Le protocole 4 suit les points d'un nom : `collections` puis `_sys.modules`."""
    text = b"\x8c\x0bcollections\x8c\x0c_sys.modules\x93"
    return b"\x80\x04" + text + b"."


@pytest.mark.parametrize(("content", "named"), [
    (Call(os.system, "touch touché"), f"{os.system.__module__}.system"),
    (Call(eval, "open('touché', 'w')"), "builtins.eval"),
    (Call(exec, "open('touché', 'w')"), "builtins.exec"),
    (Call(getattr, "a", "join"), "builtins.getattr"),
    (Call(open, "touché", "w"), "io.open"),
    (Call(builtins.__import__, "os"), "builtins.__import__"),
    (Call(torch.load, "touché"), "torch.serialization.load"),
    (Call(pickle.loads, b"."), "_pickle.loads"),
    (Call(copyreg._reconstructor, object, object, None), "copyreg._reconstructor"),
    (WithState(), "types.SimpleNamespace"),
    (dotted(), "collections._sys.modules"),
    (b"cos\nsystem\n(S'touch touch'\ntR.", "os.system"),
    (b"(S'touch touch'\nios\nsystem\n.", "os.system"),
    (b"c__builtin__\neval\n(S'1'\ntR.", "builtins.eval"),
])  # fmt: skip
def test_code_is_refused_by_name_and_never_run(content, named, write, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = write(content)
    with pytest.raises(CheckpointError) as refusal:
        load_checkpoint(path)
    assert f"le fichier demande '{named}'" in str(refusal.value)
    assert "n'a pas été exécuté" in str(refusal.value)
    assert [child.name for child in tmp_path.iterdir()] == [path.name]


def test_code_hidden_in_a_block_of_numbers_is_refused(model, write, tmp_path, monkeypatch):
    """Le tenseur est lui-même un pickle : il se lit avec les mêmes refus."""
    monkeypatch.chdir(tmp_path)
    hidden = Call(torch.storage._load_from_bytes, pickle.dumps(Call(os.system, "touch touché")))
    path = write(with_mean(model, rebuilt(hidden)))
    with pytest.raises(CheckpointError, match="le fichier demande '[a-z]+.system'"):
        load_checkpoint(path)
    assert len(list(tmp_path.iterdir())) == 1


def with_mean(model, tensor):
    """Un point de reprise dont w̄ est remplacé."""
    content = official(model)
    content["G_ema"].meta["state"]["_modules"]["mapping"].meta["state"]["_buffers"]["w_avg"] = (
        tensor
    )
    return content


def rebuilt(storage, offset=0, size=(4,), stride=(1,)):
    hooks = collections.OrderedDict()
    return Call(torch._utils._rebuild_tensor_v2, storage, offset, size, stride, False, hooks)


def block(count=4, announced=None, header=(0x1950A86A20F9469CFC6C, 1001)) -> Call:
    """Un bloc de nombres écrit à la main, dont le nombre annoncé peut être faux."""
    file = io.BytesIO()
    for part in (*header, {}):
        pickle.dump(part, file, 2)
    file.write(b"\x80\x02(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000")
    file.write(b"X\x03\x00\x00\x00cpuK\x04Nt" + b"Q.")
    pickle.dump(["0"], file, 2)
    file.write(struct.pack("<q", count if announced is None else announced))
    file.write(bytes(4 * count))
    return Call(torch.storage._load_from_bytes, file.getvalue())


def test_a_block_written_by_hand_is_read(model, write):
    loaded = load_checkpoint(write(with_mean(model, rebuilt(block()))))
    assert loaded.mapping.w_avg.tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(("tensor", "message"), [
    (rebuilt(block(announced=10**15)), "bloc de 1000000000000000 nombres annoncés, 16 octets"),
    (rebuilt(block(announced=-1)), "bloc de -1 nombres annoncés"),
    (rebuilt(block(header=(1, 2))), "bloc de nombres d'un format inconnu"),
    (rebuilt(block(), size=(10**12,), stride=(0,)), r"tenseur \[1000000000000\] plus grand"),
    (rebuilt(block(), offset=1), r"tenseur \[4\] plus grand que ses 4 nombres"),
    (rebuilt(block(), stride=(2,)), r"tenseur \[4\] plus grand que ses 4 nombres"),
    (rebuilt(block(), offset=-1), "forme de tenseur illisible"),
    (rebuilt(block(), stride=(-1,)), "forme de tenseur illisible"),
    (rebuilt(block(), size=(2, 2)), "forme de tenseur illisible"),
    (rebuilt(b"1234"), "un bloc de nombres attendu, trouvé bytes"),
    (rebuilt(Call(torch.storage._load_from_bytes, "1234")), "des octets attendu, trouvé str"),
    ([1.0, 2.0], "un tenseur attendu, trouvé list"),
])  # fmt: skip
def test_a_tensor_that_lies_about_its_size_is_refused(model, write, tensor, message):
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(write(with_mean(model, tensor)))


def test_a_module_inside_itself_is_refused(model, write):
    content = official(model)
    state = content["G_ema"].meta["state"]["_modules"]["mapping"].meta["state"]
    state["_modules"]["fc0"].meta["state"]["_modules"]["boucle"] = Persistent(state)
    with pytest.raises(CheckpointError, match="module partagé ou contenu dans lui-même"):
        load_checkpoint(write(content))


def test_the_same_numbers_used_without_end_are_refused(model, write):
    content = official(model)
    buffers = content["G_ema"].meta["state"]["_buffers"]
    big = torch.zeros(3000)
    buffers.update({f"b{i}": big for i in range(50)})
    with pytest.raises(CheckpointError, match="plus de nombres que le fichier n'a d'octets"):
        load_checkpoint(write(content))


def test_one_number_of_a_large_block_counts_for_the_block(model, write):
    """Relire sans fin le même bloc, un nombre à la fois, prendrait des heures."""
    content = official(model)
    block = torch.zeros(3000)
    view = block[:1]
    content["G_ema"].meta["state"]["_buffers"].update({f"b{i}": view for i in range(50)})
    with pytest.raises(CheckpointError, match="plus de nombres que le fichier n'a d'octets"):
        load_checkpoint(write(content))


@pytest.mark.parametrize(("change", "message"), [
    ({"mapping_kwargs": {"num_layers": 10**9}}, "1000000000 couches pour"),
    ({"mapping_kwargs": {"lr_multiplier": {"a": 1}}}, "'lr_multiplier' : un nombre attendu"),
    ({"mapping_kwargs": [1]}, "un dictionnaire attendu, trouvé list"),
    ({"first_cutoff": float("inf"), "first_stopband": float("inf")}, "attendus, finis"),
    ({"w_dim": 2**62}, "configuration refusée"),
    ({"img_resolution": 2**1100}, "configuration refusée"),
    ({"z_dim": [4]}, "'z_dim' : un nombre attendu, trouvé list"),
])  # fmt: skip
def test_a_configuration_that_would_never_end_is_refused(model, write, change, message):
    content = official(model)
    settings = {**CONFIG, **change}
    content["G_ema"].meta["state"]["_init_kwargs"] = settings
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(write(content))


def test_settings_without_names_are_refused(model, write):
    content = official(model)
    content["G_ema"].meta["state"]["_init_args"] = (4,)
    with pytest.raises(CheckpointError, match="réglages sans nom"):
        load_checkpoint(write(content))


@pytest.mark.parametrize("opcode", [b"\x82\xf0", b"\x83\xf0\x00", b"\x84\xf0\x00\x00\x00"])
def test_a_class_registered_elsewhere_is_out_of_reach(opcode, write, monkeypatch):
    """Un numéro d'extension donnerait une vraie classe, sans que son nom soit demandé."""
    monkeypatch.setitem(copyreg._extension_cache, 0xF0, os.system)
    with pytest.raises(CheckpointError, match="est tronqué, abîmé"):
        load_checkpoint(write(b"\x80\x02" + opcode + b"."))


def nested(depth: int) -> bytes:
    """Un n-uplet de deux fois le précédent, `depth` fois : 2^depth feuilles, par la mémoire."""
    doubled = b"".join(b"h%ch%c\x86q%c" % (i, i, i + 1) for i in range(depth))
    return b"\x80\x02K\x01q\x00" + doubled + b"."


DEEP = b")" + b"\x85" * 200_000  # un n-uplet emboîté : le hacher ferait tomber Python


@pytest.mark.parametrize("content", [
    b"\x80\x02}" + DEEP + b"K\x01s.",
    b"\x80\x02}(" + DEEP + b"K\x01u.",
    b"\x80\x02}" + nested(200)[2:-1] + b"K\x01s.",
    b"\x80\x04\x8f(" + DEEP + b"\x90.",
    b"ccollections\nOrderedDict\n)R" + DEEP + b"K\x01s.",
])  # fmt: skip
def test_a_key_that_is_a_bomb_is_refused(content, write):
    with pytest.raises(CheckpointError, match="clé d'un dictionnaire : un texte attendu, trouvé"):
        load_checkpoint(write(content))


@pytest.mark.parametrize("content", [
    nested(200),  # une bombe de 2^200 feuilles
    b"\x80\x02}r\xff\xff\xff\xff.",  # une case de mémoire d'indice 2³² - 1
    b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x0f.",  # 2^60 octets annoncés
    b"\x80\x05\x96\x00\x00\x00\x00\x00\x00\x01\x00.",  # 2^48, d'un tableau d'octets
    b"(" + DEEP + b"K\x01d.",
    b"\x80\x04(" + DEEP + b"\x91.",
    b"(" * 100_000 + b".",
    b"\x80\x02]" + b"(" * 3 + b"e" * 3 + b".",
    b"h\x00.",
    b"ccollections\nOrderedDict\n)R}(X\x07\x00\x00\x00__len__K\x01ub.",
    b"ccollections\nOrderedDict\n}(X\x0c\x00\x00\x00__setstate__K\x01ub.",  # l'état d'une classe
    b"PK\x03\x04 une archive",
    b"version https://git-lfs",
    b"",
])  # fmt: skip
def test_a_file_that_is_not_a_checkpoint_is_refused(content, write):
    path = write(content)
    with pytest.raises(CheckpointError, match="réseau.pkl (refusé|est tronqué)"):
        load_checkpoint(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(model, write, share):
    content = pickle.dumps(official(model))
    path = write(content[: int(share * len(content))])
    with pytest.raises(CheckpointError, match="est tronqué, abîmé.*téléchargez-le de nouveau"):
        load_checkpoint(path)


def test_reading_leaves_nothing_behind(model, write):
    """Modifier une case lue ne change pas la lecture suivante."""
    with pytest.raises(CheckpointError):
        load_checkpoint(write(b"ccollections\nOrderedDict\n}(X\x05\x00\x00\x00itemsK\x01ub."))
    load_checkpoint(write(official(model)))


# --- une autre configuration ----------------------------------------------------------------------


def test_weights_of_another_configuration_are_named(model):
    other = Generator(**{**CONFIG, "w_dim": 6})
    before = {name: value.clone() for name, value in other.state_dict().items()}
    message = r"synthesis.input.affine.weight, attendu \[4, 6\], trouvé \[4, 4\]"
    with pytest.raises(CheckpointError, match=message):
        load_weights(other, model.state_dict())
    assert all(torch.equal(value, before[name]) for name, value in other.state_dict().items())


@pytest.mark.parametrize(("change", "message"), [
    ({"c_dim": 0}, r"mapping.fc0.weight, attendu \[4, 4\], trouvé \[4, 8\]"),
    ({"use_radial_filters": True}, r"L0_28_4.down_filter, attendu \[12, 12\], trouvé \[12\]"),
    ({"channel_base": 10**9, "channel_max": 10**6}, "input.weight, attendu .1000000, 1000000."),
    ({"num_layers": 10**9}, "1000000000 couches pour"),
    ({"img_resolution": 28}, "une puissance de deux"),
    ({"architecture": "skip"}, "argument 'architecture' inconnu de ce générateur"),
    ({"mapping_kwargs": {"activation": "relu"}}, "activation"),
])  # fmt: skip
def test_a_configuration_that_its_weights_deny_is_refused(model, write, change, message):
    path = write(official(model, {**CONFIG, **change}))
    with pytest.raises(CheckpointError, match=message) as refusal:
        load_checkpoint(path)
    assert str(refusal.value).startswith(str(path))


def test_a_missing_network_or_file_is_named(model, write, tmp_path):
    path = write({"G": None, "D": None})
    with pytest.raises(CheckpointError, match="'G_ema' n'est pas parmi G, D"):
        load_checkpoint(path)
    with pytest.raises(CheckpointError, match="un module attendu, trouvé NoneType"):
        load_checkpoint(path, "G")
    with pytest.raises(CheckpointError, match="impossible de lire .*absent.pkl .introuvable."):
        load_checkpoint(tmp_path / "absent.pkl")
    with pytest.raises(CheckpointError, match="un dictionnaire attendu, trouvé list"):
        load_checkpoint(write([1, 2]))
