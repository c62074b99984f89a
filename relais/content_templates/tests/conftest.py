import pytest

from relais.content_templates.models import ContentTemplate
from relais.content_templates.synchronisation import TemplateRecord, store_templates

READY_SID, REJECTED_SID = "HX" + "a" * 32, "HX" + "b" * 32


def record(
    sid=READY_SID,
    name="vehicule_pret",
    body="Bonjour {{1}}, votre {{2}} est prête.",
    status="approved",
    **more,
):
    return TemplateRecord(
        **{
            "content_sid": sid,
            "friendly_name": name,
            "language": "fr",
            "types": {"twilio/text": {"body": body}},
            "variables": {},
            "approval": {"status": status, "category": "UTILITY", "rejection_reason": more.pop("reason", "")},
        }
        | more
    )


@pytest.fixture
def ready(db, clock):
    store_templates([record()], at=clock.now)
    return ContentTemplate.objects.get()
