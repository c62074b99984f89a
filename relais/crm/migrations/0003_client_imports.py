"""Imports of clients from a file, and the lines of each."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('clients', '0006_merges_can_be_undone'),
        ('crm', '0002_clients_by_tag'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='ClientImport',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('file_name', models.TextField()),
                ('author_name', models.TextField()),
                ('created_at', models.DateTimeField()),
                ('state', models.TextField(choices=[('draft', 'Draft'), ('running', 'Running'), ('done', 'Done')], default='draft')),
                ('titles', models.JSONField()),
                ('targets', models.JSONField()),
                ('region', models.TextField()),
                ('replaces_filled', models.BooleanField(default=False)),
                ('row_count', models.IntegerField()),
                ('created_count', models.IntegerField(default=0)),
                ('updated_count', models.IntegerField(default=0)),
                ('unchanged_count', models.IntegerField(default=0)),
                ('refused_count', models.IntegerField(default=0)),
                ('started_at', models.DateTimeField(null=True)),
                ('finished_at', models.DateTimeField(null=True)),
                ('author', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='client_imports', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'db_table': 'client_imports',
                'ordering': ('-id',),
            },
        ),
        migrations.CreateModel(
            name='ClientImportRow',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.IntegerField()),
                ('cells', models.JSONField()),
                ('outcome', models.TextField(choices=[('', 'Pending'), ('created', 'Created'), ('updated', 'Updated'), ('unchanged', 'Unchanged'), ('refused', 'Refused')], db_default='', default='')),
                ('problem', models.TextField(blank=True, db_default='', default='')),
                ('client', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='clients.client')),
                ('of_import', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='rows', to='crm.clientimport')),
            ],
            options={
                'db_table': 'client_import_rows',
                'ordering': ('number',),
            },
        ),
        migrations.AddConstraint(
            model_name='clientimport',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['draft', 'running', 'done'])), name='client_import_state_is_known'),
        ),
        migrations.AddConstraint(
            model_name='clientimport',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('finished_at__isnull', False), ('state', 'done')), models.Q(models.Q(('state', 'done'), _negated=True), ('finished_at', None)), _connector='OR'), name='client_import_is_done_when_finished'),
        ),
        migrations.AddConstraint(
            model_name='clientimportrow',
            constraint=models.UniqueConstraint(fields=('of_import', 'number'), name='client_import_row_is_unique'),
        ),
        migrations.AddConstraint(
            model_name='clientimportrow',
            constraint=models.CheckConstraint(condition=models.Q(('outcome__in', ['', 'created', 'updated', 'unchanged', 'refused'])), name='client_import_outcome_is_known'),
        ),
    ]
