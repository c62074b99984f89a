"""An import-linter contract: no module imports itself by way of other modules.

Imports inside functions count, since they only hide a cycle. Imports under TYPE_CHECKING do not: they never run.
"""

from collections.abc import Iterator, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import cast

from grimp import ImportGraph, build_graph
from importlinter import Contract, ContractCheck, fields, output
from importlinter.application.contract_utils import AlertLevel, remove_ignored_imports_and_report
from importlinter.domain.imports import ImportExpression


class NoImportCycles(Contract):
    type_name = "no_import_cycles"

    ignore_imports = fields.SetField(subfield=fields.ImportExpressionField(), required=False)

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        runtime = build_graph(
            *self.session_options["root_packages"], exclude_type_checking_imports=True, cache_dir=None
        )
        # An entry that no import matches is an error, so that the list can only shrink.
        ignored = cast("Sequence[ImportExpression]", self.ignore_imports or ())
        remove_ignored_imports_and_report(runtime, ignored, AlertLevel.ERROR)
        cycles = list(find_cycles(_imports(runtime)))
        return ContractCheck(kept=not cycles, metadata={"cycles": cycles})

    def render_broken_contract(self, check: ContractCheck) -> None:
        for cycle in check.metadata["cycles"]:
            output.print_error(f"These modules import each other: {' -> '.join(cycle)}.")


def find_cycles(imports: dict[str, set[str]]) -> Iterator[list[str]]:
    """Cycles such that the graph has none once the last import of each is removed."""
    remaining = {module: set(imported) for module, imported in imports.items()}
    while True:
        try:
            TopologicalSorter(remaining).prepare()
        except CycleError as error:
            # graphlib lists what comes first, so each module stands after the one it is imported by.
            cycle: list[str] = error.args[1][::-1]
            yield cycle
            remaining[cycle[-2]].remove(cycle[-1])
        else:
            return


def _imports(graph: ImportGraph) -> dict[str, set[str]]:
    return {
        module: graph.find_modules_directly_imported_by(module)
        for module in graph.modules
        if "tests" not in module.split(".")
    }
