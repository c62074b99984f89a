"""Scheduled messages with their files, and the event of one that was withheld at its time."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('conversations', '0024_states_of_a_scan'),
        ('files', '0001_stored_files'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='ScheduledFile',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('position', models.SmallIntegerField()),
                ('content_type', models.TextField()),
                ('filename', models.TextField()),
            ],
            options={
                'db_table': 'scheduled_files',
                'ordering': ('position',),
            },
        ),
        migrations.CreateModel(
            name='ScheduledMessage',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('author_name', models.TextField()),
                ('body', models.TextField(blank=True)),
                ('content_sid', models.TextField(blank=True, db_default='', default='')),
                ('content_variables', models.JSONField(default=dict)),
                ('choices', models.JSONField(null=True)),
                ('send_at', models.DateTimeField()),
                ('state', models.CharField(choices=[('scheduled', 'Programmé'), ('sent', 'Envoyé'), ('cancelled', 'Annulé'), ('withheld', 'Non envoyé')], default='scheduled', max_length=12)),
                ('reason', models.CharField(blank=True, db_default='', default='', max_length=32)),
                ('ref', models.CharField(max_length=64, null=True)),
                ('rev', models.BigIntegerField()),
                ('created_at', models.DateTimeField()),
                ('edited_at', models.DateTimeField(null=True)),
                ('finished_at', models.DateTimeField(null=True)),
            ],
            options={
                'db_table': 'scheduled_messages',
            },
        ),
        migrations.RemoveConstraint(
            model_name='conversationevent',
            name='event_type_is_known',
        ),
        migrations.AlterField(
            model_name='conversationevent',
            name='event_type',
            field=models.CharField(choices=[('message_received', 'Message reçu'), ('message_sent', 'Message envoyé'), ('agent_message', "Message d'agent"), ('document_sent', 'Document envoyé'), ('menu_choice', 'Choix de menu'), ('free_input', 'Saisie libre'), ('invalid_input', 'Saisie non comprise'), ('conversation_started', 'Conversation commencée'), ('agent_transfer', "Demande d'agent"), ('agent_takeover', 'Prise en charge'), ('agent_release', 'Remise'), ('conversation_closed', 'Clôture'), ('conversation_reopened', 'Clôture annulée'), ('flow_start', 'Début du parcours'), ('flow_complete', 'Fin du parcours'), ('timeout', 'Fin par silence'), ('error', 'Erreur'), ('note', 'Note'), ('snoozed', 'Mise en pause'), ('snooze_ended', 'Fin de la pause'), ('tags_changed', 'Étiquettes'), ('scheduled_withheld', 'Message programmé non envoyé')], max_length=24),
        ),
        migrations.AddConstraint(
            model_name='conversationevent',
            constraint=models.CheckConstraint(condition=models.Q(('event_type__in', ['message_received', 'message_sent', 'agent_message', 'document_sent', 'menu_choice', 'free_input', 'invalid_input', 'conversation_started', 'agent_transfer', 'agent_takeover', 'agent_release', 'conversation_closed', 'conversation_reopened', 'flow_start', 'flow_complete', 'timeout', 'error', 'note', 'snoozed', 'snooze_ended', 'tags_changed', 'scheduled_withheld'])), name='event_type_is_known'),
        ),
        migrations.AddField(
            model_name='scheduledfile',
            name='file',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='scheduled_files', to='files.storedfile'),
        ),
        migrations.AddField(
            model_name='scheduledmessage',
            name='author',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='scheduled_messages', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='scheduledmessage',
            name='conversation',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='scheduled_messages', to='conversations.conversation'),
        ),
        migrations.AddField(
            model_name='scheduledmessage',
            name='event',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.conversationevent'),
        ),
        migrations.AddField(
            model_name='scheduledfile',
            name='scheduled_message',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='files', to='conversations.scheduledmessage'),
        ),
        migrations.AddIndex(
            model_name='scheduledmessage',
            index=models.Index(condition=models.Q(('state', 'scheduled')), fields=['send_at', 'id'], name='scheduled_messages_by_time'),
        ),
        migrations.AddIndex(
            model_name='scheduledmessage',
            index=models.Index(condition=models.Q(('state__in', ['sent', 'cancelled'])), fields=['finished_at'], name='finished_scheduled_messages'),
        ),
        migrations.AddConstraint(
            model_name='scheduledmessage',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['scheduled', 'sent', 'cancelled', 'withheld'])), name='scheduled_state_is_known'),
        ),
        migrations.AddConstraint(
            model_name='scheduledmessage',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('event__isnull', False), ('state', 'sent')), models.Q(models.Q(('state', 'sent'), _negated=True), ('event', None)), _connector='OR'), name='a_sent_scheduled_message_has_an_event'),
        ),
        migrations.AddConstraint(
            model_name='scheduledmessage',
            constraint=models.UniqueConstraint(condition=models.Q(('ref__isnull', False)), fields=('conversation', 'ref'), name='a_ref_is_scheduled_once'),
        ),
        migrations.AddConstraint(
            model_name='scheduledmessage',
            constraint=models.UniqueConstraint(fields=('conversation', 'rev'), name='scheduled_rev_is_unique'),
        ),
        migrations.AddConstraint(
            model_name='scheduledfile',
            constraint=models.UniqueConstraint(fields=('scheduled_message', 'position'), name='one_scheduled_file_per_position'),
        ),
    ]
