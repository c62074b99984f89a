"""Relais: where a WhatsApp bot hands a conversation to a human and back, without a word lost or said twice."""
