"""The states of agents, each a row with its beginning and end."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='AgentState',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('state', models.CharField(choices=[('online', 'En ligne'), ('away', 'Absent'), ('break', 'Pause'), ('offline', 'Hors ligne')], max_length=8)),
                ('reason', models.CharField(blank=True, default='', max_length=80)),
                ('cause', models.CharField(choices=[('hand', 'À la main'), ('inactivity', 'Inactivité'), ('presence', 'Présence')], max_length=10)),
                ('since', models.DateTimeField()),
                ('until', models.DateTimeField(null=True)),
                ('user', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='agent_states', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'db_table': 'agent_states',
                'indexes': [models.Index(fields=['user', 'since', 'id'], name='agent_states_by_time')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('until', None)), fields=('user',), name='one_current_state_per_agent'), models.CheckConstraint(condition=models.Q(('until', None), ('until__gte', models.F('since')), _connector='OR'), name='agent_state_ends_after_it_began'), models.CheckConstraint(condition=models.Q(('state__in', ['online', 'away', 'break', 'offline'])), name='agent_state_is_known'), models.CheckConstraint(condition=models.Q(('cause__in', ['hand', 'inactivity', 'presence'])), name='agent_state_cause_is_known')],
            },
        ),
    ]
