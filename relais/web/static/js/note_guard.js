// Asks once before a text that looks like an internal note is sent to the client.
import { colleagues, plain } from "./colleagues.js";
import { setNoteText } from "./note_writing.js";

const INTERNAL_PHRASES = [
  /\bne (surtout )?(pas|rien) (le |la |les |lui |leur )?(dire|repondre|montrer|transmettre|envoyer|communiquer) (au|aux|a la|a ce|a cette) client/,
  /\bne (le |la |lui |leur )?(dis|dites|disons) (surtout )?(pas|rien) (au|aux|a la|a ce|a cette) client/,
  /\bne (pas|rien) (lui|leur) (dire|repondre|montrer)\b/,
  /\bnotes? internes?\b/, /\b(usage|info|information) internes?\b/, /\ben interne (seulement|uniquement)\b/, /\b(juste|reste) entre nous\b/,
  /\b(don'?t|do not|never) (tell|show|send|mention)\b.*\b(client|customer)\b/, /\binternal (notes?|only|use)\b/,
  /لا (تخبر|تقل|ترسل)[^\n]{0,20}(العميل|الزبون)/, /ملاحظة داخلية/,
];
const confirmed = new WeakMap(); // by form: the text that its author wants to send

const hasInternalPhrase = (text) => INTERNAL_PHRASES.some((phrase) => phrase.test(plain(text).replaceAll("’", "'")));

async function looksInternal(text) {
  if (hasInternalPhrase(text)) return true;
  const names = [...plain(text).matchAll(/(?:^|[\s(])@([\p{L}\p{N}]+)/gu)].map((match) => match[1]);
  if (!names.length) return false;
  return (await colleagues()).some(({ name }) => names.includes(plain(name).split(" ")[0]));
}

async function ask() {
  const dialog = document.getElementById("note-guard-dialog");
  dialog.returnValue = "";
  dialog.showModal();
  await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
  return dialog.returnValue;
}

async function check(form, submitter) {
  const field = form.elements.message;
  const text = field.value;
  const answer = (await looksInternal(text)) ? await ask() : "send";
  if (!form.isConnected) return;
  if (answer === "note") {
    field.value = "";
    field.dispatchEvent(new Event("input", { bubbles: true }));
    document.querySelector("#composer [data-note-toggle]").click();
    return setNoteText(text.trim());
  }
  if (answer !== "send" || field.value !== text) return field.focus();
  confirmed.set(form, text);
  form.requestSubmit(submitter);
}

// Only what may be internal is held up: all other texts are sent in the same moment.
const mayBeInternal = (text) => /(^|[\s(])@[\p{L}]/u.test(text) || hasInternalPhrase(text);

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches("[data-composer]")) return;
  const text = form.elements.message.value;
  if (confirmed.get(form) === text || !mayBeInternal(text)) return confirmed.delete(form);
  event.preventDefault();
  event.stopImmediatePropagation();
  check(form, event.submitter);
}, { capture: true });
