"""Les formes abandonnées sont toutes signalées, celles qui les remplacent jamais."""

import pytest

from tools import notebooks, words

WRONG = {
    "le pas d'apprentissage": "taux d'apprentissage",
    "une moyenne glissante": "moyenne mobile",
    "des moyennes glissantes": "moyenne mobile",
    "des réseaux adverses": "antagoniste",
    "une perte adversariale": "antagoniste",
    "l'élan seul": "inertie",
    "l’élan seul": "inertie",
    "la guidance par la classe": "guidage",
    "une formule close": "expression explicite",
    "la KL en forme close": "expression explicite",
    "noyau, pas, marge, canal": "remplissage",
    "noyau 4, pas 2, marge 1": "remplissage",
    "une marge de 1": "remplissage",
    "la marge de zéros": "remplissage",
    "une carte d'activation": "carte de caractéristiques",
    "les filtres de convolution": "noyau",
    "La divergence tombe à zéro": "la KL",
    "l'a priori sur z": "loi a priori",
    "toute la loi du tirage": "loi a priori",
    "la borne inférieure de la vraisemblance": "borne variationnelle",
    "les neuf unités restées éteintes": "inactive",
    "une dimension effondrée": "inactive",
    "les images inventées": "tirage",
    "part des inventées reconnues": "tirage",
    "ses inventions": "tirage",
    "un échantillon généré": "tirage",
    "la fonction qui rend `z`": "renvoie",
    "Elle rend les nouveaux poids": "renvoie",
    "le réseau sort $\\log \\sigma^2$": "donne",
    "une couche linéaire sort un réel": "donne",
    "une estimation honnête": "sans biais",
    "le plongement du temps": "plongement de l'instant",
    "par diffusion des axes": "extension automatique des axes",
    "la mémoire de crête": "pic de mémoire",
    "des résultats de taille réelle": "à l'échelle réelle",
    "une division de zéro": "division par zéro",
    "le rapport d'étudiant": "rapport d'origine",
    "six époques, en `rapide`, ne suffisent pas": "profil",
    "les données de `complet`": "profil",
    "relu en rapide": "profil",
}
RIGHT = [
    "le taux d'apprentissage, un pas de diffusion, un pas de 2",
    "la marge maximale, la marge de l'exemple, la marge $m_i$",
    "la divergence KL, la divergence de Jensen-Shannon, la divergence d'un entraînement",
    "la loi a priori, la loi a posteriori",
    "Generative adversarial networks, réseaux antagonistes génératifs",
    "« Classifier-free diffusion guidance », guidance=2.0, class_guidance",
    "un mélange de gaussiennes, un échantillon de la loi normale",
    "un autoencodeur invente mal ; la moitié inventée de l'image",
    "rendre la variance positive, une perte qui rend l'oubli avantageux",
    "la couche de sortie, ce qui sort de [0, 1]",
    "un filtre passe-bas",
    'en profil `rapide`, profil = "rapide", un calcul plus rapide, le plus complet',
]


@pytest.mark.parametrize(("text", "instead"), WRONG.items())
def test_a_given_up_form_is_reported_with_what_replaces_it(text, instead):
    (sentence,) = words.given_up(text)
    assert instead in sentence.partition("écrivez")[2]


@pytest.mark.parametrize("text", RIGHT)
def test_the_forms_in_use_are_accepted(text):
    assert list(words.given_up(text)) == []


def test_every_form_has_its_example():
    reported = {sentence for text in WRONG for sentence in words.given_up(text)}
    for instead in words.GIVEN_UP.values():
        assert any(sentence.endswith(f"« {instead} »") for sentence in reported), instead


@pytest.mark.parametrize("text", [
    "une moyenne\n    glissante",
    "# une moyenne\n# glissante",
    '("une moyenne "\n    "glissante")',
    "une moyenne\u00a0glissante",
    "Moyenne glissante.",
])  # fmt: skip
def test_a_form_cut_in_two_is_found(text):
    assert len(list(words.given_up(text))) == 1


def test_pages_and_sources_are_the_ones_that_readers_read():
    names = {path.relative_to(notebooks.ROOT).as_posix() for path in words.files(notebooks.ROOT)}
    assert {"README.md", "book/glossary.md", "labkit/models/vae.py"} <= names
    assert not any(name.startswith(("tests/", "tools/")) for name in names)


def test_pages_and_sources_keep_one_word_for_one_thing():
    for path in words.files(notebooks.ROOT):
        assert list(words.given_up(path.read_text(encoding="utf-8"))) == [], path
