"""Ce que les tests des démonstrations comparent : labkit en float32, et le code de la page."""

import base64
import json

import numpy as np
import torch

from tools import demos


def weight_file(name, tensors):
    """Le fichier de poids que lirait la page, pour des poids faits par un test."""
    script = demos.script(name, tensors)
    return json.loads(script.partition(" = ")[2].rstrip(";\n"))


def half(module):
    """Le même module, ses poids arrondis comme ceux d'une référence, en mode évaluation."""
    return module.half().float().eval()


# Ce que rend `call`, ses tableaux de float32 en base64 : dix fois plus vite que nombre par nombre.
PACKED = """(given) => {
  const pack = (value) => {
    if (value instanceof Float32Array) {
      const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
      return { float32: btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join("")) };
    }
    if (Array.isArray(value)) return value.map(pack);
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, pack(one)]));
  };
  return pack((%s)(given));
}"""


def arrays(page, call, given=None):
    """Ce que rend une fonction de la page, chaque Float32Array en tenseur."""

    def unpack(value):
        if isinstance(value, list):
            return [unpack(one) for one in value]
        if not isinstance(value, dict):
            return value
        if "float32" in value:
            read = np.frombuffer(base64.b64decode(value["float32"]), dtype="<f4")
            return torch.from_numpy(read.copy())
        return {name: unpack(one) for name, one in value.items()}

    return unpack(page.evaluate(PACKED % call, given))


def difference(found, expected):
    """L'écart le plus grand, rapporté à la plus grande valeur attendue."""
    found = torch.as_tensor(found, dtype=torch.float64)
    expected = expected.detach().double().flatten()
    assert found.shape == expected.shape
    return ((found - expected).abs().max() / expected.abs().max()).item()
