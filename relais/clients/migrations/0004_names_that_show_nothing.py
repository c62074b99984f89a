"""Names of which nobody sees anything are no names: the page shows the number, and the bot may ask for one."""

from typing import Any

from django.db import migrations
from django.db.models import Q

from relais.text import has_visible_characters

NAMES = ("client_full_name", "whatsapp_profile_name")


def forget_invisible_names(apps: Any, schema_editor: Any) -> None:
    clients = apps.get_model("clients", "Client").objects
    # Names in letters of one of our clients' scripts are seen; only the others are looked at one by one.
    suspects = clients.filter(~Q(whatsapp_profile_name__regex="[a-zA-Z0-9]") | Q(client_full_name__gt=""))
    for pk, *names in suspects.values_list("pk", *NAMES).iterator():
        blank = {
            field: "" for field, name in zip(NAMES, names, strict=True) if name and not has_visible_characters(name)
        }
        if blank:
            clients.filter(pk=pk).update(**blank)


class Migration(migrations.Migration):
    dependencies = [("clients", "0003_one_address_per_match_key")]
    operations = [migrations.RunPython(forget_invisible_names, migrations.RunPython.noop)]
