from django.apps import AppConfig


class NotesConfig(AppConfig):
    name = "relais.notes"
    default_auto_field = "django.db.models.BigAutoField"
