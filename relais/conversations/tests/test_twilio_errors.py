"""The table of error codes, and what messages show of it."""

import pytest
from django.utils.translation import override

from relais.conversations.fragments import delivery_context
from relais.conversations.twilio_errors import TWILIO_ERRORS, error_text, is_opt_out, twilio_error

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("code", TWILIO_ERRORS)
def test_every_code_has_a_sentence_and_something_to_do(code):
    error = twilio_error(code)
    assert error.sentence.endswith(".")
    assert error.advice.endswith(".")


@pytest.mark.parametrize("language", ["en", "ar"])
def test_sentence_and_advice_are_translated(language):
    for code in (20003, 63003, 63016):
        with override(language):
            translated = error_text(code)
        error = twilio_error(code)
        assert error.sentence not in translated
        assert error.advice not in translated


def test_an_unknown_code_may_be_resent():
    assert twilio_error(99999).resend_helps
    assert twilio_error(None).resend_helps


def test_only_a_refusal_by_the_client_opts_out():
    assert [code for code in TWILIO_ERRORS if is_opt_out(code)] == [21610, 63014]


@pytest.mark.parametrize(
    ("code", "may_resend"), [(63016, True), (30008, True), (63003, False), (21617, False)]
)
def test_a_resend_is_offered_only_where_it_can_help(held_by_awa, clock, code, may_resend):
    delivery = held_by_awa.deliveries.get()
    delivery.mark_failed(at=clock.now, code=code, error="Une phrase d'avant.")
    shown = delivery_context(delivery)
    assert shown["is_resendable"] is may_resend
    assert shown["problem"] == error_text(code)
