"""Importing clients in a browser: file, columns with a live preview, progress, report; a colleague sees it in the list."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from relais.clients.models import Client
from relais.crm.client_import import run_chunk
from relais.crm.models import ClientImport
from tests.browser import Browsers
from tests.cast import FATOU

pytestmark = pytest.mark.django_db(transaction=True)
FILE = f"Désignation;Tel;Ville\nFatou Benali;{FATOU.removeprefix('whatsapp:')};Rabat\nHélène;0612345678;Fès\n?;12;\n"


def test_a_supervisor_imports_a_file_and_a_colleague_sees_it(
    run_story, mariam, nadia, with_bot, clock_starts_now, tmp_path: Any
):
    path = tmp_path / "prospects.csv"
    path.write_text(FILE, encoding="cp1252")

    def story(browsers: Browsers) -> None:
        page = browsers.open_page(mariam, "/dashboard/clients")
        page.get_by_role("link", name="Importer").click()
        page.get_by_label("Fichier").set_input_files(path)
        page.get_by_role("button", name="Continuer").click()
        preview = page.locator("#import-preview")
        expect(preview.get_by_text("n'est pas un numéro")).to_be_visible()
        expect(preview.get_by_text("Champ libre")).to_have_count(0)
        expect(preview.get_by_text("Change : Désignation, Ville")).to_be_visible()
        page.get_by_label("La colonne « Désignation » devient").select_option("client_full_name")
        expect(preview.get_by_text("Change : Nom complet, Ville")).to_be_visible()
        page.get_by_label("La colonne « Tel » devient").select_option("")
        expect(preview.get_by_role("alert")).to_contain_text("Choisissez la colonne du téléphone")
        page.get_by_label("La colonne « Tel » devient").select_option("phone_number")
        expect(preview.get_by_text("Change : Nom complet, Ville")).to_be_visible()
        page.get_by_role("button", name="Importer 3 lignes").click()
        expect(page.get_by_role("progressbar")).to_be_visible()
        run_chunk(ClientImport.objects.get().pk, at=timezone.now())
        expect(page.get_by_text("Import terminé")).to_be_visible()
        expect(page.get_by_text("1 nouveau · 1 modifié · 1 ligne refusée")).to_be_visible()
        with page.expect_download() as download:
            page.get_by_role("link", name="Lignes refusées en CSV").click()
        assert "12" in download.value.path().read_text(encoding="utf-8-sig")

        other = browsers.open_page(nadia, "/dashboard/clients/import")
        other.get_by_role("link", name="prospects.csv").click()
        expect(other.get_by_text("1 nouveau · 1 modifié · 1 ligne refusée")).to_be_visible()
        other.goto(f"{browsers.url}/dashboard/clients?q=Hélène")
        with other.expect_download() as export:
            other.get_by_role("link", name="Exporter CSV").click()
        lines = export.value.path().read_text(encoding="utf-8-sig").splitlines()
        assert len(lines) == 2 and "Hélène" in lines[1] and "Fès" in lines[1]

    run_story(story)
    assert Client.objects.get(pk=with_bot.client_id).client_full_name == "Fatou Benali"


def test_the_search_changes_what_is_exported(run_story, awa, with_bot, clock_starts_now):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, "/dashboard/clients")
        expect(page.get_by_role("link", name="Importer")).to_have_count(0)
        page.get_by_role("searchbox").fill("zzz")
        expect(page.get_by_text("Aucun client ne correspond.")).to_be_visible()
        expect(page.get_by_role("link", name="Exporter CSV")).to_have_attribute(
            "href", "/dashboard/clients/export?q=zzz"
        )

    run_story(story)
