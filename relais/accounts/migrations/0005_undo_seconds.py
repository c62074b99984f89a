"""How long a user can undo a message or a closing."""


from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0004_tokens_expire_and_failures_are_counted_by_account'),
    ]

    operations = [
        migrations.AddField(
            model_name='user',
            name='undo_seconds',
            field=models.PositiveSmallIntegerField(choices=[(0, 'Jamais : envoyer aussitôt'), (5, 'Pendant 5 secondes'), (10, 'Pendant 10 secondes')], db_default=5, default=5, verbose_name='annuler un envoi'),
        ),
    ]
