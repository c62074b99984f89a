"""Static files: bundled, compressed, and named by the hash of their content for immutable caching."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from django.core.files.base import ContentFile
from whitenoise.storage import CompressedManifestStaticFilesStorage

from relais.web import bundles


class Storage(CompressedManifestStaticFilesStorage):
    # Rewrite imports between our modules to hashed names (only ours: other packages import files that are not shipped).
    # Else a module loaded by a page and by another module would run twice, and after an update new modules would
    # import old ones.
    patterns = (
        *CompressedManifestStaticFilesStorage.patterns,
        ("js/*.js", CompressedManifestStaticFilesStorage._js_module_import_aggregation_patterns[1]),
    )

    def post_process(self, paths: dict[str, Any], dry_run: bool = False, **options: Any) -> Iterator[Any]:
        bundled = {} if dry_run else {name: self._write(name, text) for name, text in _bundles(paths)}
        yield from super().post_process(paths | bundled, dry_run, **options)

    def _write(self, name: str, text: str) -> tuple[Storage, str]:
        self.delete(name)
        return self, self.save(name, ContentFile(text.encode()))


def _bundles(paths: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The bundles of our pages, built from the sources: collected files may be bundles already."""

    def text_of(name: str) -> str:
        storage, path = paths[name]
        with storage.open(path) as file:
            return str(file.read().decode())

    for name in paths:
        folder = PurePosixPath(name).parent
        if folder.as_posix() == "css" and bundles.is_style_bundle(text_of(name)):
            yield name, bundles.style_bundle(PurePosixPath(name).name, lambda sheet: text_of(f"css/{sheet}"))
        elif folder.as_posix() == "js" and bundles.is_module_bundle(text_of(name)):
            yield (
                name,
                bundles.module_bundle(PurePosixPath(name).name, lambda module: text_of(f"js/{module}")),
            )
