from django.apps import AppConfig


class CrmConfig(AppConfig):
    name = "relais.crm"
    default_auto_field = "django.db.models.BigAutoField"
