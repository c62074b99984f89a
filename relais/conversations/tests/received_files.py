"""Files that Fatou sends, as if they had been downloaded, and the jobs that follow."""

from io import BytesIO
from pathlib import Path

from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from relais.conversations import tasks
from relais.conversations.file_checks import state_after_download
from relais.conversations.inbound_messages import InboundMedia
from relais.conversations.models import Media
from relais.files.models import store_file

SAMPLES = Path(__file__).resolve().parents[2] / "emulator/static/emulator/samples"
VOICE, VIDEO = ((SAMPLES / name).read_bytes() for name in ("voice.ogg", "video.mp4"))
TASKS = {"scan_media": tasks.scan_media, "preview_media": tasks.preview_media}


def receive(fatou_writes, content, content_type, filename="", text="", **message):
    """The media of a new message of Fatou's."""
    url = "https://api.twilio.com/2010-04-01/Accounts/AC/Messages/MM/Media/ME"
    fatou_writes(text, media=(InboundMedia(url, content_type),), **message)
    media = Media.objects.latest("pk")
    arrive(media, content, content_type, filename)
    return media


def arrive(media, content, content_type, filename=""):
    stored = store_file(BytesIO(content), content_type=content_type, at=timezone.now())
    state, error = state_after_download(stored)
    media.record_download(
        state, content_type=content_type, filename=filename, size=stored.size, file=stored, error=error
    )


def run_file_jobs():
    """Run the scans and previews that wait, and those that follow from them. Returns their names."""
    ran = []
    while job := _waiting_job():
        ProcrastinateJob.objects.filter(pk=job.pk).delete()
        name = job.task_name.rpartition(".")[2]
        ran.append(name)
        TASKS[name].func(**job.args)
    return ran


def _waiting_job():
    names = [f"relais.conversations.tasks.{name}" for name in TASKS]
    return ProcrastinateJob.objects.filter(task_name__in=names, status="todo").order_by("id").first()
