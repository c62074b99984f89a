import pytest

from relais.quick_replies.demo import DEMO_REPLIES, create_demo_replies
from relais.quick_replies.models import QuickReply

pytestmark = pytest.mark.django_db


def test_the_demo_begins_with_replies_and_keeps_what_a_visitor_changed(clock):
    create_demo_replies(at=clock.now)
    assert QuickReply.objects.count() == len(DEMO_REPLIES)
    assert "aider\u00a0?" in QuickReply.objects.get(shortcut="bonjour").text
    rdv = QuickReply.objects.get(shortcut="rdv")
    assert rdv.choice_titles == ["Demain matin", "Demain après-midi", "Un autre jour"]
    QuickReply.objects.exclude(shortcut="rdv").delete()
    create_demo_replies(at=clock.now)
    assert QuickReply.objects.count() == 1
