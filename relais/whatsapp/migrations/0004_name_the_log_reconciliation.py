from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("whatsapp", "0003_why_a_look_back_broke_off")]
    # The table keeps its name, so nothing but Django's own records of the model changes.
    operations = [migrations.RenameModel("LogReading", "LogReconciliation")]
