"""Ce que tous les tests supposent de la machine."""

import os
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tools import check_site

# Les tests comparent au bit près, ce que seul le processeur garantit ; et des machines macOS
# d'intégration continue annoncent un GPU (MPS) sans mémoire.
os.environ["ACCELERATE_USE_CPU"] = "true"


@pytest.fixture
def no_home(monkeypatch):
    """Une machine où rien ne dit le dossier personnel : ni variable, ni entrée d'utilisateur."""
    pwd = pytest.importorskip("pwd", reason="Windows garde ailleurs le dossier personnel")

    def unknown_user(_):
        raise KeyError("getpwuid(): uid not found")

    for variable in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown_user)
    monkeypatch.setattr(pwd, "getpwnam", unknown_user)


@pytest.fixture
def raise_os_error():
    def fail(code: int, *_args, **_options):
        raise OSError(code, os.strerror(code))

    return fail


class _Handler(SimpleHTTPRequestHandler):
    """Sert `server.files`, et les abîme selon `server.fault`."""

    def do_GET(self):
        self.server.requests.append(self.path)
        content = self.server.files.get(self.path.strip("/"))
        fault = self.server.fault
        if fault == "garbled":
            self.wfile.write(b"pas du HTTP\r\n\r\n")
        elif content is None or fault == "missing":
            self.send_error(404)
        else:
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if fault == "wrong":
                content = bytes([content[0] ^ 1]) + content[1:]
            self.wfile.write(content[: len(content) // 2] if fault == "truncated" else content)

    do_HEAD = do_GET

    def log_message(self, *_):
        """Rien sur la sortie des tests."""


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as http_server:
        http_server.files, http_server.fault, http_server.requests = {}, None, []
        thread = threading.Thread(
            target=partial(http_server.serve_forever, poll_interval=0.01), daemon=True
        )
        thread.start()
        yield http_server
        http_server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def browser():
    """Un Chromium, fermé avec son module : Playwright en refuse deux dans un processus."""
    sync_api = pytest.importorskip("playwright.sync_api")
    try:
        path = check_site.find_browser()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path)
        yield browser
        browser.close()
