// Records a voice note in the composer: level and time while it records, then it can be heard, discarded and sent. It stays
// with its conversation while another one is open.
import { showProblem } from "./composer_problem.js";
import { conversationId } from "./open_conversation.js";

// WhatsApp shows no play button above 512 kB: at 24 kbit/s about 2 min 50 s.
const BITS_PER_SECOND = 24_000;
const MAX_MS = 170_000;
const MAX_BYTES = 500_000;
const PIECE_MS = 500;
// OGG is what WhatsApp plays; the server changes WebM into it. Safari has neither and records AAC.
const FORMATS = [["audio/ogg;codecs=opus", "ogg"], ["audio/webm;codecs=opus", "webm"], ["audio/mp4", "m4a"]];
const finished = new Map(); // by conversation: { file, url }
let current = null; // { conversation, recorder, stream, audio, analyser, pieces, bytes, startedAt, isDiscarded }
let isStarting = false;
let wasStartedByPress = false;

const form = () => document.querySelector("[data-composer]");
const button = () => form()?.querySelector("[data-voice]");
const panel = () => form()?.querySelector(".voice");

function openPanel(state) {
  const fresh = document.getElementById("voice-panel").content.firstElementChild.cloneNode(true);
  fresh.dataset.state = state;
  panel()?.remove();
  form().elements.message.after(fresh);
  button().setAttribute("aria-pressed", state === "recording");
  return fresh;
}

function closePanel() {
  panel()?.remove();
  button()?.setAttribute("aria-pressed", "false");
  form()?.elements.message.focus();
}

// -- recording ------------------------------------------------------------------------------------------------------

async function start() {
  if (current || isStarting || finished.has(conversationId())) return;
  const conversation = conversationId();
  const texts = button().dataset;
  const format = FORMATS.find(([type]) => window.MediaRecorder?.isTypeSupported(type));
  if (!format || !navigator.mediaDevices) return showProblem(texts.unsupported);
  isStarting = true;
  const stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1 } }).catch(({ name }) => name);
  isStarting = false;
  if (typeof stream === "string") return form() && showProblem(stream === "NotAllowedError" ? texts.refused : texts.absent);
  if (conversation !== conversationId() || !form()) return stream.getTracks().forEach((track) => track.stop());
  record(conversation, stream, format);
}

function record(conversation, stream, [type, extension]) {
  const recorder = new MediaRecorder(stream, { mimeType: type, audioBitsPerSecond: BITS_PER_SECOND });
  const audio = new AudioContext();
  const analyser = audio.createAnalyser();
  audio.createMediaStreamSource(stream).connect(analyser);
  current = { conversation, recorder, stream, audio, analyser, pieces: [], bytes: 0, startedAt: performance.now() };
  const recording = current;
  recorder.ondataavailable = ({ data }) => {
    recording.pieces.push(data);
    recording.bytes += data.size;
    if (recording.bytes > MAX_BYTES) stop({ isFull: true });
  };
  recorder.onstop = () => finish(recording, extension);
  recorder.start(PIECE_MS);
  showProblem("");
  openPanel("recording");
  panel().querySelector("[data-voice-stop]").focus();
  update();
}

function update() {
  if (!current) return;
  const elapsed = performance.now() - current.startedAt;
  const time = panel()?.querySelector("[data-voice-time]");
  if (time) {
    time.textContent = formatTime(elapsed);
    panel().querySelector("meter").value = level(current.analyser);
  }
  if (elapsed >= MAX_MS) stop({ isFull: true });
  else setTimeout(() => requestAnimationFrame(update), 60);
}

function level(analyser) {
  const samples = new Float32Array(analyser.fftSize);
  analyser.getFloatTimeDomainData(samples);
  const mean = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
  return Math.min(1, Math.sqrt(mean) * 4);
}

const formatTime = (ms) => `${Math.floor(ms / 60_000)}:${String(Math.floor(ms / 1000) % 60).padStart(2, "0")}`;

function stop({ isDiscarded = false, isFull = false } = {}) {
  if (!current || current.recorder.state === "inactive") return;
  Object.assign(current, { isDiscarded, isFull, duration: performance.now() - current.startedAt });
  current.recorder.stop();
}

function finish(recording, extension) {
  recording.stream.getTracks().forEach((track) => track.stop());
  recording.audio.close();
  current = null;
  const { conversation, pieces, recorder, isDiscarded, isFull, duration } = recording;
  if (!isDiscarded) {
    const file = new File(pieces, `message-vocal.${extension}`, { type: recorder.mimeType.split(";")[0] });
    finished.set(conversation, { file, duration, url: URL.createObjectURL(file) });
  }
  if (conversation !== conversationId() || !form()) return;
  if (isDiscarded) return closePanel();
  showFinished();
  if (isFull) showProblem(button().dataset.full);
}

// -- listening and sending ------------------------------------------------------------------------------------------------

function showFinished() {
  const { url, duration } = finished.get(conversationId());
  const fresh = openPanel("finished");
  fresh.querySelector("audio").src = url;
  fresh.querySelector("[data-voice-time]").textContent = formatTime(duration);
  fresh.querySelector("[data-voice-send]").focus();
}

function discard() {
  if (current) stop({ isDiscarded: true });
  else forget(conversationId());
}

function forget(conversation) {
  URL.revokeObjectURL(finished.get(conversation).url);
  finished.delete(conversation);
  if (conversation === conversationId()) closePanel();
}

function send() {
  const { file } = finished.get(conversationId());
  document.dispatchEvent(new CustomEvent("relais:send-files", { detail: { files: [file], onKept: (_message, conversation) => forget(conversation) } }));
}

document.addEventListener("relais:voice", ({ detail: { action } }) => {
  if (action === "press") {
    wasStartedByPress = !current;
    if (!current) start();
  } else if (action === "toggle") {
    if (current) stop();
    else start();
  } else if (action === "release" || !wasStartedByPress) stop();
});

document.addEventListener("click", ({ target }) => {
  if (target.closest?.("[data-voice-stop]")) stop();
  else if (target.closest?.("[data-voice-discard]")) discard();
  else if (target.closest?.("[data-voice-send]")) send();
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !event.target.closest?.(".voice")) return;
  event.preventDefault();
  discard();
});

document.addEventListener("relais:conversation-left", () => stop());
document.addEventListener("relais:conversation-opened", () => form() && finished.has(conversationId()) && showFinished());
addEventListener("beforeunload", (event) => (current || finished.size) && event.preventDefault());
