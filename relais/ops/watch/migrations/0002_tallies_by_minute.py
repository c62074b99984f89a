from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("watch", "0001_what_the_processes_counted")]
    operations = [
        migrations.AddIndex(
            model_name="tally",
            index=models.Index(fields=["minute"], name="tallies_by_minute"),
        ),
    ]
