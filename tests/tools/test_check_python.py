import runpy
import sys

import pytest

from tools import notebooks

SCRIPT = str(notebooks.ROOT / "tools" / "check_python.py")


def test_a_recent_python_is_accepted():
    runpy.run_path(SCRIPT)


def test_an_old_python_is_refused_with_the_remedy(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 9, 18))
    with pytest.raises(SystemExit, match=r"Python 3\.9 trouvé.*make PYTHON="):
        runpy.run_path(SCRIPT)
