"""Ce que tous les tests de figures vérifient."""

import matplotlib.pyplot as plt
import pytest


@pytest.fixture(autouse=True)
def nothing_registered_with_pyplot():
    before = dict(plt.rcParams)
    yield
    assert plt.get_fignums() == []
    assert dict(plt.rcParams) == before
