from django.apps import AppConfig


class ContentTemplatesConfig(AppConfig):
    name = "relais.content_templates"
    default_auto_field = "django.db.models.BigAutoField"
