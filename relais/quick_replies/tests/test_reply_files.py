"""Files of quick replies: joined on the page, offered by JSON, sent by their token, and kept as long as they are named."""

from datetime import timedelta
from io import BytesIO

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client as Browser
from django.utils import timezone

from relais.action_errors import InvalidField, NotAllowed
from relais.conversations.models import Media
from relais.files import file_tokens
from relais.files.errors import FileRefused
from relais.files.models import StoredFile, delete_unreferenced, quarantine, store_file
from relais.files.tests import samples
from relais.files.uploads import OutgoingFile
from relais.quick_replies.csv_files import import_replies, plan_import, write_csv
from relais.quick_replies.models import QuickReply
from relais.quick_replies.permissions import parse_target

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock_starts_now")]
PATH = "/dashboard/quick-replies"
JSON = {"headers": {"accept": "application/json"}}
JPEG = samples.picture(exif=False)
FIELDS = {"shortcut": "devis", "title": "Devis", "text": "Voici, {prénom}", "scope": "mine"}


@pytest.fixture(autouse=True)
def folders(settings, tmp_path):
    settings.MEDIA_FOLDER, settings.UPLOAD_FOLDER = tmp_path / "media", tmp_path / "uploads"
    return settings.MEDIA_FOLDER


def browser_of(user):
    browser = Browser()
    browser.force_login(user)
    return browser


@pytest.fixture
def page(awa):
    return browser_of(awa)


def upload(content=samples.PDF, name="devis.pdf"):
    return SimpleUploadedFile(name, content)


def stored(content=samples.PDF, content_type="application/pdf", name="devis.pdf"):
    file = store_file(BytesIO(content), content_type=content_type, at=timezone.now())
    return OutgoingFile(file, content_type, name)


@pytest.fixture
def reply(awa, clock):
    """Of Awa, with a text, a document and a picture."""
    files = [stored(), stored(JPEG, "image/jpeg", "a.jpg")]
    target = parse_target("mine", awa)
    return QuickReply.create(
        by=awa, target=target, shortcut="devis", title="", text="Voici", at=clock.now, files=files
    )


def names(reply):
    return list(reply.files.values_list("filename", flat=True))


def files_of(page, **query):
    [found] = page.get(PATH, query, **JSON).json()["results"]
    return found["files"]


class TestVerbs:
    def test_the_same_reply_again_is_returned_and_other_files_are_refused(self, awa, clock, reply):
        fields = {
            "by": awa,
            "target": parse_target("mine", awa),
            "shortcut": "devis",
            "title": "",
            "text": "Voici",
        }
        again = QuickReply.create(**fields, at=clock.now, files=reply.outgoing_files())
        assert again.pk == reply.pk
        with pytest.raises(InvalidField, match="existe déjà"):
            QuickReply.create(**fields, at=clock.now)
        assert names(reply) == ["devis.pdf", "a.jpg"]

    def test_a_reply_of_files_alone_is_named_after_the_first(self, awa, clock):
        reply = QuickReply.create(
            by=awa,
            target=parse_target("mine", awa),
            shortcut="a",
            title="",
            text="",
            at=clock.now,
            files=[stored()],
        )
        assert (reply.title, reply.text) == ("devis.pdf", "")
        with pytest.raises(InvalidField):
            reply.change(by=awa, target=reply.target, shortcut="a", title="", text="", at=clock.now, files=[])
        assert names(reply) == ["devis.pdf"]

    def test_a_change_that_says_nothing_of_files_keeps_them(self, awa, clock, reply):
        fields = {"by": awa, "target": reply.target, "shortcut": "devis", "title": "", "at": clock.now}
        reply.change(**fields, text="Autre")
        assert names(reply) == ["devis.pdf", "a.jpg"]
        reply.change(**fields, text="Autre", files=reply.outgoing_files()[1:])
        assert names(reply) == ["a.jpg"]

    def test_who_may_not_change_a_reply_stores_no_file(self, mariam, koffi, create_reply):
        shared = create_reply(mariam, "a", scope="all")
        refused = browser_of(koffi).post(f"{PATH}/{shared.pk}", {"files": upload()}, **JSON)
        assert refused.status_code == 403
        form = FIELDS | {"scope": "all", "files": upload()}
        assert browser_of(koffi).post(PATH, form, **JSON).status_code == 403
        assert not StoredFile.objects.exists()
        with pytest.raises(NotAllowed):
            shared.change(
                by=koffi,
                target=shared.target,
                shortcut="a",
                title="",
                text="x",
                at=timezone.now(),
                files=[stored()],
            )

    def test_a_file_that_is_gone_is_refused(self, awa, clock):
        gone = stored()
        StoredFile.objects.all().delete()
        with pytest.raises(FileRefused) as refusal:
            QuickReply.create(
                by=awa,
                target=parse_target("mine", awa),
                shortcut="a",
                title="",
                text="x",
                at=clock.now,
                files=[gone],
            )
        assert refusal.value.code == "media_missing"
        assert not QuickReply.objects.exists()


class TestCleanUp:
    def test_a_file_stays_while_a_reply_names_it(self, folders, awa, reply):
        later = timezone.now() + timedelta(days=2)
        assert delete_unreferenced(at=later) == 0
        reply.remove(by=awa)
        assert delete_unreferenced(at=later) == 2
        assert not [path for path in folders.rglob("*") if path.is_file()]

    def test_a_file_stays_while_a_message_has_it(self, page, awa, held_by_awa, reply):
        tokens = [each["token"] for each in files_of(page)]
        send(page, held_by_awa, tokens[:1])
        reply.remove(by=awa)
        assert delete_unreferenced(at=timezone.now() + timedelta(days=2)) == 1
        assert [media.file.content_type for media in Media.objects.all()] == ["application/pdf"]


def send(page, conversation, tokens, message="", **fields):
    form = {"message": message, "stored_file": tokens, **fields}
    return page.post(f"/dashboard/chat/{conversation.pk}/send", form, **JSON)


def sent(conversation):
    events = conversation.events.filter(event_type="agent_message").order_by("seq")
    return [(event.body, [media.filename for media in event.media.all()]) for event in events]


class TestSending:
    def test_files_are_sent_by_their_token(self, page, held_by_awa, reply):
        files = files_of(page, conversation=held_by_awa.pk)
        assert [(each["name"], each["content_type"], each["size"]) for each in files] == [
            ("devis.pdf", "application/pdf", len(samples.PDF)),
            ("a.jpg", "image/jpeg", len(JPEG)),
        ]
        answer = send(page, held_by_awa, [each["token"] for each in files], "Voici", ref="r1")
        assert answer.status_code == 200
        assert sent(held_by_awa) == [("Voici", []), ("", ["devis.pdf"]), ("", ["a.jpg"])]
        send(page, held_by_awa, [each["token"] for each in files], "Voici", ref="r1")
        assert len(sent(held_by_awa)) == 3
        assert StoredFile.objects.count() == 2

    def test_files_alone_and_with_an_upload(self, page, held_by_awa, reply):
        tokens = [each["token"] for each in files_of(page)]
        assert send(page, held_by_awa, tokens[1], files=upload(samples.VCARD, "awa.vcf")).status_code == 200
        assert sent(held_by_awa) == [("", ["a.jpg"]), ("", ["awa.vcf"])]

    def test_a_token_of_someone_else_or_too_old_or_wrong_is_refused(
        self, page, koffi, held_by_awa, reply, monkeypatch
    ):
        [token, _other] = [each["token"] for each in files_of(page)]
        file = StoredFile.objects.first()
        foreign = file_tokens.file_token(
            file.pk, content_type="application/pdf", filename="x.pdf", user_id=koffi.pk
        )
        for wrong in (foreign, "x", token[:-1]):
            refused = send(page, held_by_awa, [wrong])
            assert (refused.status_code, refused.json()["code"]) == (422, "media_missing")
        monkeypatch.setattr(file_tokens, "LIFETIME", timedelta(seconds=-1))
        assert send(page, held_by_awa, [token]).json()["code"] == "media_missing"
        assert sent(held_by_awa) == []

    def test_too_many_files_are_refused(self, page, held_by_awa, reply):
        [token, _other] = [each["token"] for each in files_of(page)]
        refused = send(page, held_by_awa, [token] * 10, files=upload())
        assert (refused.status_code, refused.json()["code"]) == (422, "too_many_files")

    def test_who_does_not_hold_the_conversation_is_refused(self, koffi, held_by_awa, reply):
        page = browser_of(koffi)
        token = file_tokens.file_token(
            reply.files.first().file_id, content_type="application/pdf", filename="x.pdf", user_id=koffi.pk
        )
        assert send(page, held_by_awa, [token]).status_code in (403, 409)
        assert sent(held_by_awa) == []


class TestPages:
    def test_files_are_joined_and_removed_without_scripts(self, page):
        page.post(f"{PATH}/new", FIELDS | {"files": [upload(), upload(JPEG, "a.jpg")]})
        reply = QuickReply.objects.get()
        shown = page.get(f"{PATH}/{reply.pk}").content.decode()
        assert 'enctype="multipart/form-data"' in shown
        first = reply.files.first()
        assert f'name="remove_file" value="{first.pk}"' in shown
        assert "devis.pdf" in page.get(PATH).content.decode()
        form = FIELDS | {"remove_file": first.pk, "files": upload(samples.VCARD, "awa.vcf"), "version": 1}
        assert page.post(f"{PATH}/{reply.pk}", form).status_code == 302
        assert names(reply) == ["a.jpg", "awa.vcf"]
        late = form | {"files": upload(samples.VCARD, "late.vcf")}
        assert page.post(f"{PATH}/{reply.pk}", late).status_code == 409
        assert names(reply) == ["a.jpg", "awa.vcf"]

    @pytest.mark.parametrize(
        ("content", "code"),
        [
            (b"MZ" + bytes(60), "media_type"),
            (b"", "media_empty"),
            (bytes(17 * 1024 * 1024), "media_too_large"),
        ],
    )
    def test_a_file_that_whatsapp_does_not_take_is_refused(self, page, content, code):
        refused = page.post(PATH, FIELDS | {"files": upload(content)}, **JSON)
        assert (refused.status_code, refused.json()["code"]) == (422, code)
        shown = page.post(f"{PATH}/new", FIELDS | {"files": upload(content)})
        assert shown.status_code == 422
        assert "devis.pdf" in shown.content.decode()
        assert "Voici, {prénom}</textarea>" in shown.content.decode()
        assert not QuickReply.objects.exists()

    def test_eleven_files_are_refused_also_over_two_requests(self, page):
        refused = page.post(
            PATH, FIELDS | {"files": [upload(samples.PDF, f"{n}.pdf") for n in range(11)]}, **JSON
        )
        assert (refused.status_code, refused.json()["code"]) == (422, "too_many_files")
        page.post(PATH, FIELDS | {"files": [upload(samples.PDF, f"{n}.pdf") for n in range(10)]}, **JSON)
        reply = QuickReply.objects.get()
        refused = page.post(f"{PATH}/{reply.pk}", {"files": upload()}, **JSON)
        assert (refused.status_code, refused.json()["code"]) == (422, "too_many_files")
        assert len(names(reply)) == 10

    def test_who_sees_the_reply_sees_its_files(self, page, koffi, reply):
        [document, picture] = files_of(page)
        shown = page.get(picture["url"])
        assert (shown["Content-Type"], b"".join(shown.streaming_content)) == ("image/jpeg", JPEG)
        assert "sandbox" in shown["Content-Security-Policy"]
        read = page.get(document["url"])
        assert ('filename="devis.pdf"' in read["Content-Disposition"], b"".join(read)) == (True, samples.PDF)
        assert browser_of(koffi).get(document["url"]).status_code == 404
        assert Browser().get(document["url"]).status_code == 302

    def test_a_file_in_quarantine_is_not_shown(self, page, reply):
        [document, picture] = files_of(page)
        quarantine(reply.files.get(filename="devis.pdf").file, "Eicar")
        assert page.get(document["url"]).status_code == 404
        assert b"".join(page.get(picture["url"])) == JPEG


class TestCsv:
    def test_an_export_names_the_files_and_an_import_keeps_them(self, awa, reply, create_reply, clock):
        create_reply(awa, "sans")
        text = write_csv(QuickReply.objects.order_by("pk"))
        assert text.splitlines()[0].endswith(";fichiers")
        assert text.splitlines()[1].endswith(";devis.pdf, a.jpg")
        assert [row.action.value for row in plan_import(text, by=awa)] == ["unchanged", "unchanged"]
        import_replies(text.replace("Voici;", "Voilà;"), by=awa, at=clock.now)
        assert names(reply) == ["devis.pdf", "a.jpg"]

    def test_what_comes_without_its_files_is_said(self, page, awa, reply):
        text = write_csv(QuickReply.objects.order_by("pk"))
        reply.remove(by=awa)
        [row] = plan_import(text, by=awa)
        assert (row.action.value, "devis.pdf" in row.remark) == ("create", True)
        report = page.post(f"{PATH}/import", {"file": SimpleUploadedFile("r.csv", text.encode())})
        assert "Sans ses fichiers" in report.content.decode()
        answer = page.post(f"{PATH}/import", {"text": text, "confirm": "1"}, **JSON).json()
        assert answer["remarks"][0]["line"] == 2
        assert names(QuickReply.objects.get()) == []
