"""Macros, and their runs with the idempotency key of each."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('accounts', '0008_arabic'),
        ('conversations', '0020_snoozed_conversations'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Macro',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('scope', models.CharField(choices=[('mine', 'Moi seul'), ('team', 'Équipe'), ('all', 'Tout le monde')], max_length=4)),
                ('shortcut', models.TextField()),
                ('title', models.TextField()),
                ('shortcut_key', models.TextField()),
                ('title_key', models.TextField()),
                ('text_key', models.TextField()),
                ('use_count', models.IntegerField(db_default=0)),
                ('last_used_at', models.DateTimeField(null=True)),
                ('version', models.IntegerField(db_default=1)),
                ('changed_by_name', models.TextField(blank=True, db_default='', default='')),
                ('changed_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('steps', models.JSONField()),
                ('owner', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='%(app_label)s', to=settings.AUTH_USER_MODEL)),
                ('team', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='%(app_label)s', to='accounts.team')),
            ],
            options={
                'db_table': 'macros',
            },
        ),
        migrations.CreateModel(
            name='MacroRun',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('ref', models.CharField(max_length=64)),
                ('title', models.TextField()),
                ('steps', models.JSONField()),
                ('undo_seconds', models.IntegerField()),
                ('done_count', models.IntegerField(db_default=0)),
                ('refusal', models.JSONField(null=True)),
                ('started_at', models.DateTimeField()),
                ('conversation', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='macro_runs', to='conversations.conversation')),
                ('macro', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='runs', to='macros.macro')),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='macro_runs', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'db_table': 'macro_runs',
            },
        ),
        migrations.AddConstraint(
            model_name='macro',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('owner__isnull', False), ('scope', 'mine'), ('team', None)), models.Q(('owner', None), ('scope', 'team'), ('team__isnull', False)), models.Q(('owner', None), ('scope', 'all'), ('team', None)), _connector='OR'), name='macro_scope_has_its_target'),
        ),
        migrations.AddConstraint(
            model_name='macro',
            constraint=models.UniqueConstraint(condition=models.Q(('scope', 'mine')), fields=('owner', 'shortcut_key'), name='one_macro_per_owner_and_shortcut'),
        ),
        migrations.AddConstraint(
            model_name='macro',
            constraint=models.UniqueConstraint(condition=models.Q(('scope', 'team')), fields=('team', 'shortcut_key'), name='one_macro_per_team_and_shortcut'),
        ),
        migrations.AddConstraint(
            model_name='macro',
            constraint=models.UniqueConstraint(condition=models.Q(('scope', 'all')), fields=('shortcut_key',), name='one_macro_for_all_per_shortcut'),
        ),
        migrations.AddConstraint(
            model_name='macrorun',
            constraint=models.UniqueConstraint(fields=('conversation', 'user', 'ref'), name='a_macro_run_ref_is_stored_once'),
        ),
        migrations.AddConstraint(
            model_name='macrorun',
            constraint=models.CheckConstraint(condition=models.Q(('done_count__gte', 0)), name='done_steps_are_counted_from_0'),
        ),
    ]
