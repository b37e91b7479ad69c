"""Vérification des exercices : dire ce qui va, ce qui ne va pas, sans interrompre le notebook."""

import sys
from collections.abc import Callable, Mapping

RIGHT, WRONG = "✓", "✗"
ASCII_MARKS = {RIGHT: "[ok]", WRONG: "[non]"}


def verify(title: str, checks: Mapping[str, Callable[[], object]]) -> None:
    """Passe en revue une réponse d'étudiant et affiche une ligne par point vérifié.

    Args:
        title: nom de l'exercice.
        checks: ce qui doit être vrai -> fonction sans argument qui le vérifie. Elle renvoie `True`,
            ou sinon une phrase qui dit ce qui a été obtenu (ou `False`, ou une phrase vide).

    Aucune exception n'est levée : celle d'une vérification est expliquée sur sa ligne.
    """
    verdicts = {name: _run(check) for name, check in checks.items()}
    for name, problem in verdicts.items():
        _print(f"{RIGHT} {name}" if problem is None else f"{WRONG} {name} — {problem}")
    failed = sum(problem is not None for problem in verdicts.values())
    plural = "s" if failed > 1 else ""
    outcome = f"{failed} vérification{plural} sur {len(verdicts)} à reprendre"
    _print(f"{title} : {outcome if failed else 'réussi'}.")


def _print(line: str) -> None:
    """Affiche une ligne, même là où la console (cp1252 sous Windows) n'a pas tous ses signes."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        line.encode(encoding)
    except UnicodeEncodeError:
        for mark, replacement in ASCII_MARKS.items():
            line = line.replace(mark, replacement)
        line = line.encode(encoding, "replace").decode(encoding)
    print(line)


def _run(check: Callable[[], object]) -> str | None:
    """Ce qui ne va pas, ou None."""
    try:
        result = check()
        # Un trou non rempli (None, ...) n'est pas une réussite ; le booléen de NumPy ou de PyTorch
        # en est une. Un tableau entier n'a pas de valeur de vérité : bool lève alors une exception.
        is_true = result is not ... and bool(result)
    except Exception as error:
        return f"votre code s'est arrêté sur {type(error).__name__} : {error}"
    if is_true and not isinstance(result, str):
        return None
    return result if is_true else "ce n'est pas le cas"
