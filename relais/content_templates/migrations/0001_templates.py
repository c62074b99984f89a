"""The account's message templates, and when they were read last."""

import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='ContentTemplate',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('content_sid', models.TextField(unique=True)),
                ('name', models.TextField()),
                ('language', models.TextField()),
                ('status', models.TextField()),
                ('category', models.TextField(blank=True, default='')),
                ('rejection_reason', models.TextField(blank=True, default='')),
                ('content_type', models.TextField()),
                ('content', models.JSONField(default=dict)),
                ('variables', django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), default=list, size=None)),
                ('samples', models.JSONField(default=dict)),
                ('search_key', models.TextField(default='')),
                ('changed_at', models.DateTimeField()),
                ('removed_at', models.DateTimeField(null=True)),
            ],
            options={
                'db_table': 'content_templates',
                'constraints': [models.CheckConstraint(condition=models.Q(('content_sid__regex', '^HX[0-9a-fA-F]{32}$')), name='content_sid_is_one')],
            },
        ),
        migrations.CreateModel(
            name='TemplateSync',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('attempted_at', models.DateTimeField(null=True)),
                ('succeeded_at', models.DateTimeField(null=True)),
                ('error', models.TextField(blank=True, default='')),
            ],
            options={
                'db_table': 'content_template_sync',
                'constraints': [models.CheckConstraint(condition=models.Q(('pk', 1)), name='one_content_template_sync')],
            },
        ),
    ]
