"""Tags, coloured labels of conversations, and the event that tells of their changes."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import relais.clients.search


class Migration(migrations.Migration):
    dependencies = [("conversations", "0018_saved_views")]

    operations = [
        migrations.CreateModel(
            name="Tag",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=40)),
                ("plain_name", models.GeneratedField(db_persist=True, expression=relais.clients.search.UnaccentLower("name"), output_field=models.TextField())),
                ("color", models.CharField(choices=[('blue', 'Bleu'), ('green', 'Vert'), ('amber', 'Ambre'), ('red', 'Rouge'), ('purple', 'Violet'), ('teal', 'Turquoise'), ('pink', 'Rose'), ('grey', 'Gris')], db_default="grey", max_length=8)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "db_table": "tags",
                "constraints": [
                    models.UniqueConstraint(fields=["plain_name"], name="tag_name_is_unique"),
                    models.CheckConstraint(condition=models.Q(("color__in", ["blue", "green", "amber", "red", "purple", "teal", "pink", "grey"])), name="tag_color_is_known"),
                ],
            },
        ),
        migrations.CreateModel(
            name="ConversationTag",
            fields=[
                ("pk", models.CompositePrimaryKey("conversation_id", "tag_id", blank=True, editable=False, primary_key=True, serialize=False)),
                ("conversation", models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="conversation_tags", to="conversations.conversation")),
                ("tag", models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="conversation_tags", to="conversations.tag")),
            ],
            options={
                "db_table": "conversation_tags",
                "indexes": [models.Index(fields=["tag", "conversation"], name="conversations_of_tag")],
            },
        ),
        migrations.RemoveConstraint(model_name="conversationevent", name="event_type_is_known"),
        migrations.AlterField(
            model_name="conversationevent",
            name="event_type",
            field=models.CharField(choices=[('message_received', 'Message reçu'), ('message_sent', 'Message envoyé'), ('agent_message', "Message d'agent"), ('document_sent', 'Document envoyé'), ('menu_choice', 'Choix de menu'), ('free_input', 'Saisie libre'), ('invalid_input', 'Saisie non comprise'), ('agent_transfer', "Demande d'agent"), ('agent_takeover', 'Prise en charge'), ('agent_release', 'Remise'), ('conversation_closed', 'Clôture'), ('conversation_reopened', 'Clôture annulée'), ('flow_start', 'Début du parcours'), ('flow_complete', 'Fin du parcours'), ('timeout', 'Fin par silence'), ('error', 'Erreur'), ('note', 'Note'), ('tags_changed', 'Étiquettes')], max_length=24),
        ),
        migrations.AddConstraint(
            model_name="conversationevent",
            constraint=models.CheckConstraint(condition=models.Q(('event_type__in', ['message_received', 'message_sent', 'agent_message', 'document_sent', 'menu_choice', 'free_input', 'invalid_input', 'agent_transfer', 'agent_takeover', 'agent_release', 'conversation_closed', 'conversation_reopened', 'flow_start', 'flow_complete', 'timeout', 'error', 'note', 'tags_changed'])), name='event_type_is_known'),
        ),
    ]
