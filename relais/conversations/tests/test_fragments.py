"""HTML fragments: one root element each, the same for every viewer, and all client text is escaped."""

import re
from html import unescape

import pytest
from django.template.loader import render_to_string

from relais.conversations import fragments
from relais.conversations.events import BOT, Author
from relais.conversations.inbound_messages import InboundMedia
from relais.conversations.models import ConversationEvent, Media
from relais.conversations.permissions import permissions_for
from tests.cast import event_types_of

pytestmark = pytest.mark.django_db


def render_bubble(conversation):
    return fragments.message(conversation.events.filter(event_type="message_received").last())


def test_each_fragment_has_one_root_element_with_an_id(held_by_awa, awa, clock):
    delivery = held_by_awa.send_as_agent("Bonjour", agent=awa, at=clock.now)
    line = held_by_awa.events.get(event_type="agent_takeover")
    assert fragments.message(delivery.event).startswith(f'<li id="message-{delivery.event_id}"')
    assert f'<div id="delivery-{delivery.pk}"' in fragments.message(delivery.event)
    assert fragments.delivery(delivery).startswith(f'<div id="delivery-{delivery.pk}"')
    assert fragments.event_line(line).startswith(f'<li id="event-{line.pk}"')
    assert fragments.row(held_by_awa).startswith(f'<li id="row-{held_by_awa.pk}"')
    for html in (fragments.message(delivery.event), fragments.event_line(line), fragments.row(held_by_awa)):
        assert html.count("<li ") == html.count("</li>") == 1


def test_html_in_a_message_is_escaped(fatou_writes):
    html = render_bubble(fatou_writes('<script>alert("1")</script> {{ secret }} {% now "Y" %}'))
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert "{{ secret }} {% now" in html


def test_html_in_a_name_is_escaped(fatou_writes):
    conversation = fatou_writes("Bonjour", name='<img src=x onerror="alert(1)">')
    assert "<img" not in render_bubble(conversation) + fragments.row(conversation)


def test_urls_in_a_message_become_links_without_referrer(fatou_writes):
    html = render_bubble(
        fatou_writes('voir https://example.com/a?b=1&c="><b> et javascript:alert(1) rel="nofollow"')
    )
    assert '<a href="https://example.com/a?b=1' in html
    assert 'rel="noopener noreferrer nofollow" target="_blank"' in html
    assert html.count("target=") == 1
    assert 'href="javascript' not in html
    assert "<b>" not in html


@pytest.mark.parametrize(
    "text", ["😀" * 1600, "مرحبا بالعالم", "a\u202eb\u200b\u0301", "a\x01\x1f", "ligne 1\nligne 2"]
)
def test_text_of_any_script_is_shown_unchanged(fatou_writes, text):
    html = render_bubble(fatou_writes(text))
    assert text in html
    assert 'dir="auto"' in html


def test_removed_characters_are_noted(fatou_writes):
    assert "Des signes illisibles ont été retirés." in render_bubble(
        fatou_writes("ab", metadata={"cleaned": True})
    )


@pytest.mark.parametrize(
    ("state", "word"),
    [
        ("queued", "En attente d'envoi"),
        ("sending", "Envoi en cours"),
        ("sent", "Envoyé"),
        ("delivered", "Remis"),
        ("read", "Lu"),
    ],
)
def test_each_delivery_state_has_an_icon_and_a_label(held_by_awa, awa, clock, state, word):
    delivery = held_by_awa.send_as_agent("Bonjour", agent=awa, at=clock.now)
    delivery.state = state
    html = fragments.delivery(delivery)
    assert word in html.replace("&#x27;", "'")
    assert 'class="tick' in html or 'class="lucide' in html or "<svg" in html
    assert "Renvoyer" not in html


def test_a_failed_message_shows_the_reason_and_can_be_resent(held_by_awa, awa, clock):
    delivery = held_by_awa.send_as_agent("Bonjour", agent=awa, at=clock.now)
    delivery.mark_failed(at=clock.now, code=63024, error="Ce numéro ne peut pas recevoir ce message.")
    html = fragments.delivery(delivery)
    assert "Ce numéro ne peut pas recevoir ce message." in html
    assert "(63024)" in html
    assert (
        f'formaction="/dashboard/chat/{held_by_awa.pk}/resend" name="event" value="{delivery.event_id}"'
        in html
    )
    assert "C&#x27;est arrivé" not in html


def test_a_resent_message_cannot_be_resent_again(held_by_awa, awa, clock):
    delivery = held_by_awa.send_as_agent("Bonjour", agent=awa, at=clock.now)
    delivery.mark_failed(at=clock.now, code=None, error="")
    held_by_awa.resend(delivery.event, agent=awa, at=clock.now)
    assert "Renvoyer" not in fragments.delivery(type(delivery).objects.get(pk=delivery.pk))


def test_an_uncertain_message_offers_both_choices(held_by_awa, awa, clock):
    delivery = held_by_awa.send_as_agent("Bonjour", agent=awa, at=clock.now)
    delivery.state = "uncertain"
    html = fragments.delivery(delivery)
    assert "Renvoyer" in html
    assert f"/dashboard/chat/{held_by_awa.pk}/arrived" in html


def test_a_message_withheld_by_a_take_over_cannot_be_resent(waiting, awa, fatou_writes, clock):
    fatou_writes("allô")
    delivery = waiting.deliveries.get()
    waiting.take_over(awa, at=clock.now)
    delivery.claim(by="sender", at=clock.now)
    html = fragments.delivery(delivery)
    assert "un agent avait pris la conversation" in html
    assert "Renvoyer" not in html


def test_events_are_sentences(waiting, awa, mariam, koffi, clock):
    waiting.take_over(awa, at=clock.passes(seconds=1))
    waiting.reassign(koffi, by=mariam, at=clock.passes(seconds=1))
    waiting.release(koffi, at=clock.passes(seconds=1))
    waiting.take_over(awa, at=clock.passes(seconds=1))
    waiting.hand_back(awa, at=clock.passes(seconds=1))
    waiting.close(mariam, at=clock.passes(seconds=1))
    lines = [
        visible_text(fragments.event_line(e)) for e in waiting.events.order_by("seq") if not e.is_message
    ]
    assert [sentence.rpartition(" · ")[0] for sentence in lines] == [
        "Un agent est demandé : le client le demande",
        "Awa Diop a pris la conversation",
        "Mariam Traoré a confié la conversation à Koffi Mensah",
        "Koffi Mensah n'est plus là : la conversation attend un agent",
        "Awa Diop a pris la conversation",
        "Awa Diop a rendu la conversation au bot",
        "Mariam Traoré a clôturé la conversation",
    ]


def test_every_event_type_can_be_rendered(with_bot, clock):
    for kind in EVENT_TYPES:
        event = ConversationEvent(
            pk=1,
            conversation=with_bot,
            seq=1,
            rev=1,
            event_type=kind,
            author_kind="system",
            created_at=clock.now,
        )
        assert visible_text(fragments.event_line(event))


EVENT_TYPES = [choice for choice, _ in ConversationEvent._meta.get_field("event_type").choices]


def test_a_row_shows_the_situation(with_bot, awa, clock):
    assert 'data-situation="bot"' in fragments.row(with_bot)
    assert "Prendre en charge" in fragments.row(with_bot)
    with_bot.ask_for_agent(by=BOT, at=clock.now)
    row = fragments.row(with_bot)
    assert 'data-situation="waiting"' in row
    assert f'data-since="{with_bot.transferred_at.isoformat()[:16]}' in row or "data-since=" in row
    with_bot.take_over(awa, at=clock.now)
    row = fragments.row(with_bot)
    assert f'data-situation="held" data-agent="{awa.pk}"' in row
    assert "Ouvrir" in row
    assert "Prendre en charge" not in row


def test_a_row_shows_the_last_message_and_its_author(held_by_awa, awa, clock):
    held_by_awa.send_as_agent("Je regarde tout de suite", agent=awa, at=clock.now)
    row = fragments.row(held_by_awa)
    assert "Je regarde tout de suite" in row
    assert 'aria-label="Agent"' in row


def test_the_row_of_a_waiting_client_shows_the_clients_last_message(fatou_writes, clock):
    conversation = fatou_writes("Ma Classe A ne démarre plus")
    conversation.ask_for_agent(by=BOT, at=clock.passes(seconds=1), reason="Le client demande un agent")
    conversation.send_as_program("Je préviens un agent.", by=BOT, at=clock.passes(seconds=1))
    row = fragments.row(conversation)
    assert "Ma Classe A ne démarre plus" in row
    assert "Le client demande un agent" not in row and "Je préviens" not in row


def test_the_end_of_a_conversation_has_a_full_timestamp(ended, awa):
    html = render_to_string(
        "conversations/_composer_disabled.html",
        {"conversation": ended, "permissions": permissions_for(ended, awa, at=ended.ended_at)},
    )
    assert re.search(
        r'terminée <time datetime="[^"]+" data-time="at">(à|le \d+ \w+ à) \d\d:\d\d</time>', html
    )


def test_a_row_shows_a_failed_message(held_by_awa, awa, clock):
    delivery = held_by_awa.send_as_agent("Bonjour", agent=awa, at=clock.now)
    delivery.mark_failed(at=clock.now, code=63024, error="")
    assert "échec" in fragments.row(held_by_awa)


def test_media_links_point_to_relais(fatou_writes):
    media = (
        InboundMedia("https://api.twilio.com/m/1", "image/jpeg"),
        InboundMedia("https://api.twilio.com/m/2", "application/pdf"),
    )
    conversation = fatou_writes("", media=media)
    assert "en cours de réception" in render_bubble(conversation)
    assert "Photo" in fragments.row(conversation)
    first, second = Media.objects.order_by("position")
    first.record_download("stored", content_type="image/jpeg", size=1000)
    second.record_download("stored", content_type="application/pdf", size=120_000)
    html = render_bubble(conversation)
    assert f'<img src="/dashboard/media/{first.pk}"' in html
    assert f'href="/dashboard/media/{second.pk}"' in html
    assert "twilio.com" not in html


def test_an_event_of_a_deleted_user_keeps_the_name(with_bot, clock):
    with_bot.append_event("agent_takeover", by=Author("agent", "Ancien Collègue", 99), at=clock.now)
    assert event_types_of(with_bot)[-2:] == ["agent_takeover", "message_sent"]
    assert "Ancien Collègue" in fragments.event_line(with_bot.events.get(event_type="agent_takeover"))


def visible_text(html):
    text = re.sub(r"<svg.*?</svg>", "", html, flags=re.S)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", "", text))).strip()


@pytest.mark.django_db
def test_media_and_templates_of_the_bot_are_shown(with_bot, clock):
    from relais.conversations.events import BOT
    from relais.conversations.outbound import Template

    picture = with_bot.send_as_program("Voici", by=BOT, at=clock.now, media_url="https://example.com/e.jpg")
    assert 'href="https://example.com/e.jpg"' in fragments.message(picture.event)
    odd = with_bot.send_as_program("Voici", by=BOT, at=clock.now, media_url="javascript:alert(1)")
    assert "href" not in fragments.message(odd.event)
    template = with_bot.send_as_program("", by=BOT, at=clock.now, template=Template("HX12", {}))
    assert "Modèle WhatsApp HX12" in fragments.message(template.event)
