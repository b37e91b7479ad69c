# Apprentissage profond génératif : `make help` liste les commandes.

ifeq ($(OS),Windows_NT)
PYTHON ?= python
VENV_PYTHON := .venv/Scripts/python.exe
else
PYTHON ?= python3
VENV_PYTHON := .venv/bin/python
endif

STAMP := .venv/installed.stamp
URL ?=
# cpu ou gpu : la version de torch sous Linux, choisie sinon d'après la machine.
TORCH ?=

# Sorties accentuées et fichiers en UTF-8, sous Windows aussi.
export PYTHONUTF8 := 1
# De simples lignes dans les sorties comparées, au lieu d'un affichage tenu à jour.
export LABKIT_PROGRESS := 0

.DEFAULT_GOAL := help
.PHONY: help setup test site pdf student lab notebooks bench references lock lint depot clean

help: ## liste les commandes
	@$(PYTHON) tools/list_targets.py Makefile

setup: $(STAMP) ## crée .venv et installe requirements.txt (rien si c'est déjà fait)

ifneq ($(TORCH),)
.PHONY: $(STAMP)
endif
$(STAMP): requirements.txt pyproject.toml
	$(PYTHON) tools/check_python.py
	$(PYTHON) -m venv .venv
	$(VENV_PYTHON) -m tools.install $(if $(TORCH),--torch $(TORCH))
	$(VENV_PYTHON) -c "import pathlib; pathlib.Path('$(STAMP)').touch()"

# Deux fichiers à la fois, un fil d'exécution chacun.
PYTEST := $(VENV_PYTHON) -m pytest -n auto --maxprocesses 2 --dist loadscope
test: export OMP_NUM_THREADS := 1
test: setup ## pytest, puis nbval sur chaque notebook de labs/, exécuté s'il a changé
	$(PYTEST)
	$(VENV_PYTHON) -m tools.execute
	$(VENV_PYTHON) -m pytest -p tools.replay labs

# make site REPONSES=non : ni réponse ni solution ; make pdf REPONSES=ouvertes : les deux dépliées.
REPONSES ?=
ANSWERS := $(if $(REPONSES),--reponses "$(REPONSES)")
site: setup ## exécute les labs changés, construit le site dans _build/html (REPONSES=non les ôte)
	$(if $(REPONSES),@$(VENV_PYTHON) -m tools.answers "$(REPONSES)")
	$(VENV_PYTHON) -m tools.execute
	$(VENV_PYTHON) -m tools.site $(ANSWERS)

pdf: setup ## fait du site un seul PDF (REPONSES=ouvertes pour déplier les réponses)
	$(VENV_PYTHON) -m pip install --quiet --disable-pip-version-check -e ".[navigateur]"
	$(VENV_PYTHON) -m tools.pdf $(ANSWERS)

student: setup ## copies étudiantes, sans les solutions, dans _build/student
	$(VENV_PYTHON) -m tools.student

NOM ?=
lab: setup ## commence un lab d'après un modèle conforme au contrat : make lab NOM=11_essai
	$(VENV_PYTHON) -m tools.new_lab "$(NOM)"

notebooks: setup ## exécute les labs et réécrit leurs sorties déterministes dans labs/
	$(VENV_PYTHON) -m tools.normalize

bench: setup ## mesure les performances annoncées
	$(VENV_PYTHON) -m benchmarks

# glibc rendrait sinon au système, à chaque pas, la mémoire des grands tenseurs.
references: export GLIBC_TUNABLES := glibc.malloc.mmap_threshold=4294967296:glibc.malloc.trim_threshold=17179869184
references: setup ## refait les modèles de référence (profil complet, des heures parfois)
	$(VENV_PYTHON) -m tools.references

lock: setup ## recalcule requirements.txt d'après requirements.in (il faut un réseau)
	$(VENV_PYTHON) -m tools.lock

lint: setup ## vérifie le style du code (ruff) et le contrat des notebooks
	$(VENV_PYTHON) -m ruff check .
	$(VENV_PYTHON) -m tools.contract

depot: setup ## écrit l'adresse du dépôt partout où elle figure : make depot URL=https://…
	$(VENV_PYTHON) -m tools.repository "$(URL)"

clean: ## supprime _build/ et les fichiers écrits par les labs (garde .venv)
	$(PYTHON) -c "import shutil; [shutil.rmtree(d, ignore_errors=True) for d in ('_build', 'sorties', 'labs/sorties')]"
