import pytest

from tools import contract, notebooks
from tools.repository import current_address

LABS = sorted((notebooks.ROOT / "labs").glob("*.ipynb"))


@pytest.mark.parametrize("path", LABS, ids=lambda path: path.stem)
def test_every_lab_keeps_the_contract(path):
    assert contract.violations(notebooks.read(path), current_address(notebooks.ROOT)) == []


def test_the_sample_lab_keeps_the_contract(lab, address):
    assert contract.violations(lab, address) == []


def find(lab, text):
    return next(cell for cell in lab.cells if text in cell.source)


def edit(text, old, new):
    """Une atteinte au contrat : remplace `old` par `new` dans la cellule qui contient `text`."""

    def breakage(lab):
        cell = find(lab, text)
        cell.source = cell.source.replace(old, new)

    return breakage


def drop(text):
    """Une atteinte au contrat : retire la cellule qui contient `text`."""
    return lambda lab: lab.cells.remove(find(lab, text))


def tag(text, *tags):
    def breakage(lab):
        find(lab, text).metadata["tags"] = list(tags)

    return breakage


def figure(lab):
    output = {"output_type": "display_data", "data": {"image/png": "AA=="}, "metadata": {}}
    find(lab, "print(2").outputs = [notebooks.nbformat.from_dict(output)]


def stderr(lab):
    find(lab, "print(2").outputs[0].name = "stderr"


def count(lab):
    find(lab, "print(2").execution_count = None


def ignored_output(lab):
    find(lab, "display(figure)").outputs = find(lab, "print(2").outputs


def same_identifier(lab):
    lab.cells[3].id = lab.cells[2].id


def silent(lab):
    find(lab, "print(2").outputs = []


BREAKAGES = [
    (edit("# Lab 1", "# Lab 1", "# TP 1"), "titre"),
    (edit("# Lab 1", "**Durée** : deux", "Comptez deux"), "donner la durée"),
    (edit("display(figure)", "display", "plots.loss_curves({})\ndisplay"), "figure sans légende"),
    (edit("Théorie", "$1 + 1$", r"$\inconnue$"), r"\inconnue n'est pas dans COMMANDS"),
    (tag("profil ="), "0 cellule"),
    (edit("profil =", "graine = 0", "graine = int(0)"), "littéraux"),
    (edit("profil =", "graine = 0", "graine = 1"), "exactement"),
    (edit("profil =", "graine = 0", "graine = 0\nlr = 0.1"), "exactement"),
    (edit("google.colab", "depot.example", "autre.example"), "mise en place"),
    (
        edit("**Question 1.**", "**Question 1.**", "**Question 1.** *(rappel)* l'**unité**"),
        "apostrophe",
    ),
    (edit("print(2", "print", "# le pas d'apprentissage\nprint"), "taux d'apprentissage"),
    (tag("print(2", "slow"), "étiquette inconnue slow"),
    (ignored_output, "sortie enregistrée"),
    (count, "numérotées de 1 à n"),
    (figure, "figure"),
    (stderr, "stderr"),
    (silent, "comparée(s) strictement"),
    (drop("**Question 8.**"), "7 question"),
    (edit("**Question 3.**", "Question 3.", "Question 4."), "mal numérotées"),
    (edit("**Question 8.**", "Question 8.**", "Question 8**"), "question 8 : niveau absent"),
    (edit("**Question 3.**", "*(rappel)*", ""), "question 3 : niveau"),
    (edit("**Question 3.**", "details>", "div>"), "question 3 : réponse absente"),
    (edit("**Question 3.**", "</summary>\n\n", "</summary>\n"), "question 3 : lignes vides"),
    (drop("### Exercice 2"), "1 exercice"),
    (tag("def double"), "exercice 1 : la cellule « solution »"),
    (edit("def double", "# --- fin", "# fin"), "exercice 1 : repères"),
    (tag('labkit.verify("Exercice 1"'), "exercice 1 : la cellule « verification »"),
    (edit('labkit.verify("Exercice 1"', "labkit.verify", "print"), "labkit.verify"),
    (drop("**Prédiction.** Que verra"), "1 prédiction"),
    (drop("## Ce qu'il faut retenir"), "deux dernières sections"),
    (edit("print(2", "print", "import matplotlib.pyplot\nprint"), "pyplot"),
    (edit("print(2", "+ 1)", "+ 1)  # fmt: skip"), "s'adresse à un outil"),
    (edit("print(2", "2 + 1", "'/home/eleve/x'"), "chemin absolu"),
    (edit("print(2", "2 + 1", r"'C:\\eleve'"), "chemin absolu"),
    (edit("print(2", "+ 1)", "+ 1);"), "point-virgule"),
    (same_identifier, "même identifiant"),
    (edit("print(2", "print", "labkit.fit(step, lots, 1)\nprint"), "aucune mesure refaite"),
    (edit("print(2", "print", "x = 1\n" * 40 + "print"), "41 lignes de code"),
    (edit("print(2", "print", "x = 1  #" + "…" * 72 + "\nprint"), "ligne 1 de 80 colonnes"),
    (edit('labkit.verify("Exercice 1"', "labkit", "#" * 80 + "\nlabkit"), "ligne 1 de 80 colonnes"),
]


@pytest.mark.parametrize(("breakage", "sentence"), BREAKAGES, ids=[s for _, s in BREAKAGES])
def test_each_violation_is_reported_alone(lab, address, breakage, sentence):
    breakage(lab)
    found = contract.violations(lab, address)
    assert any(sentence in violation for violation in found), found
    assert len(found) <= 2


@pytest.mark.parametrize("change", [
    edit("print(2", "print", "x = 1\n" * 39 + "print"),
    edit("print(2", "print", "#" * 79 + "\nprint"),
    edit('labkit.verify("Exercice 1"', "labkit", "x = 1\n" * 40 + "labkit"),
    edit("print(2", "print", "labkit.fit(step, lots, 1)\nlabkit.spread(losses)\nprint"),
    edit("print(2", "print", "labkit.fit(step, lots, 1)\nprint('graine')\nprint"),
])  # fmt: skip
def test_what_stays_within_bounds_is_accepted(lab, address, change):
    change(lab)
    assert contract.violations(lab, address) == []


def test_captions_and_code_are_left_alone(lab, address):
    edit("display(figure)", "display", 'plots.loss_curves({}).caption("…")\ndisplay')(lab)
    edit("Théorie", "$1 + 1$", r"`$\inconnue$`")(lab)
    assert contract.violations(lab, address) == []


def test_a_long_address_is_accepted(lab, address):
    longer = address + "-du-premier-semestre-de-la-deuxieme-annee"
    edit("google.colab", address, longer)(lab)
    assert contract.violations(lab, longer) == []


def test_missing_identifiers(lab, address):
    del lab.cells[3]["id"]
    assert any("identifiant" in sentence for sentence in contract.violations(lab, address))


def test_command_line(course, lab, capsys):
    assert contract.main([], course) == 0
    lab.cells[0].source = "# Autre"
    notebooks.write(lab, course / "labs" / "02_autre.ipynb")
    assert contract.main([], course) == 1
    assert "02_autre.ipynb : la première cellule" in capsys.readouterr().out


def test_pages_and_sources_keep_the_words_of_the_course(course, capsys):
    (course / "README.md").write_text("Voyez la moyenne\nglissante.\n", encoding="utf-8")
    assert contract.main([], course) == 1
    assert "README.md : « moyenne glissante »" in capsys.readouterr().out
    lab = str(notebooks.lab_paths(course / "labs")[0])
    assert contract.main([lab], course) == 0
