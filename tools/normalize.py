"""Exécute les labs et réécrit dans `labs/` leurs seules sorties déterministes.

    python -m tools.normalize

À lancer après chaque changement d'un lab : nbval compare ensuite ces sorties au caractère près.
"""

from __future__ import annotations

import sys
from pathlib import Path

from nbconvert.preprocessors import (
    ClearMetadataPreprocessor,
    CoalesceStreamsPreprocessor,
    Preprocessor,
    TagRemovePreprocessor,
)
from nbformat import NotebookNode

from tools import execute, notebooks

IGNORED = "nbval-ignore-output"
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


class NumberCells(Preprocessor):
    """Numérote les cellules de code de 1 à n, comme après une exécution d'un trait.

    nbval ne compare pas une cellule sans numéro d'exécution.
    """

    def preprocess(self, nb, resources):
        """Traite un notebook (interface de nbconvert)."""
        for count, cell in enumerate(notebooks.code_cells(nb), start=1):
            cell.execution_count = count
            for output in cell.outputs:
                if output.output_type == "execute_result":
                    output.execution_count = count
        return nb, resources


PREPROCESSORS = (
    CoalesceStreamsPreprocessor(),
    TagRemovePreprocessor(remove_all_outputs_tags={IGNORED}),
    ClearMetadataPreprocessor(
        preserve_cell_metadata_mask={"tags"},
        preserve_nb_metadata_mask={"kernelspec", ("language_info", "name")},
    ),
    NumberCells(),
)


def normalize(source: NotebookNode, executed: NotebookNode) -> NotebookNode:
    """Reporte dans le notebook source les sorties déterministes de sa copie exécutée.

    Args:
        source: le notebook de `labs/`, modifié sur place.
        executed: sa copie exécutée, mêmes identifiants de cellule.

    Returns:
        Le notebook prêt à être enregistré dans `labs/`.
    """
    outputs = {cell.id: cell.outputs for cell in notebooks.code_cells(executed)}
    for cell in notebooks.code_cells(source):
        cell.outputs = outputs[cell.id]
    source.metadata.kernelspec = KERNEL
    for preprocessor in PREPROCESSORS:
        source, _ = preprocessor.preprocess(source, {})
    for cell in source.cells:  # le préprocesseur ne nettoie que les cellules de code
        cell.metadata = {"tags": sorted(tags)} if (tags := notebooks.tags(cell)) else {}
    return source


@notebooks.reports_file_errors
def main(root: Path = notebooks.ROOT) -> int:
    """Exécute les labs changés et réécrit leurs sorties ; statut 1 si une cellule a échoué."""
    output = root / "_build" / "executed"
    status = execute.main([])
    for path in notebooks.lab_paths(root / "labs") if status == 0 else []:
        executed = notebooks.read(output / path.name)
        notebooks.write(normalize(notebooks.read(path), executed), path)
        print(f"{path.name} : sorties réécrites")
    return status


if __name__ == "__main__":
    sys.exit(main())
