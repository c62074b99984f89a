// One message on the phone. Its body is inserted as text, never as markup.

import { languageTag, translate } from "./translate.js";

export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#${name}`);
  svg.setAttribute("aria-hidden", "true");
  svg.append(use);
  return svg;
}

export function element(tag, className = "", text = "") {
  const created = document.createElement(tag);
  if (className) created.className = className;
  if (text) created.textContent = text;
  return created;
}

export function bubble(message) {
  const item = element("li", message.mine ? "bubble mine" : "bubble");
  const text = element("p", "text", message.body);
  text.dir = "auto";
  const location = message.location ? [place(message.location)] : [];
  item.append(...message.media.map(attachment), ...location, ...heading(message.content), text, ...underneath(message), element("p", "meta"));
  refresh(item, message);
  return item;
}

const heading = (content) => (content?.title ? [line("title", content.title)] : []);

// Footer, label of the list, and the buttons or items of a template.
function underneath({ sid, content }) {
  if (!content) return [];
  const lines = [];
  if (content.footer) lines.push(line("footer", content.footer));
  if (content.list_button) lines.push(line("list-label", content.list_button));
  if (content.actions.length) lines.push(choices(content.actions, sid));
  return lines;
}

function line(className, text) {
  const created = element("p", className, text);
  created.dir = "auto";
  return created;
}

function choices(actions, sid) {
  const list = element("ul", "choices");
  list.append(...actions.map((action) => choice(action, sid)));
  return list;
}

// Buttons and items are tapped: phone.js sends what they answer.
function choice(action, sid) {
  const item = element("li");
  const isReply = action.type === "QUICK_REPLY" || action.type === "ITEM";
  const shown = element(isReply ? "button" : action.url || action.phone ? "a" : "span", "choice", action.title);
  if (isReply) Object.assign(shown, { type: "button" });
  if (isReply) Object.assign(shown.dataset, { question: sid, kind: action.type, payload: action.id, description: action.description });
  if (action.url) Object.assign(shown, { href: action.url, target: "_blank", rel: "noreferrer" });
  if (action.phone) shown.href = `tel:${action.phone}`;
  shown.dir = "auto";
  item.append(shown);
  if (action.description) item.append(line("description", action.description));
  return item;
}

export function refresh(item, message) {
  const hasFailed = message.mine && message.state === "failed";
  item.classList.toggle("lost", hasFailed);
  item.lastElementChild.replaceChildren(...(hasFailed ? notDelivered() : [clock(message.at), ...ticks(message)]));
}

const notDelivered = () => [icon("alert"), element("span", "", translate("Non remis\u00a0: équipe injoignable"))];

function clock(at) {
  const time = element("time", "", new Date(at).toLocaleTimeString(languageTag, { hour: "2-digit", minute: "2-digit" }));
  time.dateTime = at;
  return time;
}

function ticks(message) {
  if (!message.mine) return [];
  const [name, meaning] = {
    read: ["check-check", translate("Lu")],
    delivered: ["check-check", translate("Remis")],
  }[message.state] ?? ["check", translate("Envoyé")];
  const mark = icon(name);
  mark.setAttribute("data-tick", message.state);
  return [mark, element("span", "unseen", meaning)];
}

function attachment(media) {
  const url = `/simulator/api/media/${encodeURIComponent(media.sid)}`;
  const family = media.content_type.split("/")[0];
  if (family === "image") return Object.assign(element("img"), { src: url, alt: media.filename || translate("Photo") });
  if (family === "audio" || family === "video") return Object.assign(element(family), { src: url, controls: true });
  const word = translate(media.content_type === "text/vcard" ? "Contact" : "Document");
  return media.content_type ? fileLink(media.filename || word, url) : notLoaded(media.url);
}

function place({ label, address, coordinates }) {
  const note = element("p", "document");
  note.append(icon("pin"), element("span", "", [label || translate("Position"), address, coordinates].filter(Boolean).join("\n")));
  return note;
}

function fileLink(name, url) {
  const link = element("a", "document");
  link.href = url;
  link.append(icon("file"), element("span", "", name));
  return link;
}

function notLoaded(url) {
  const note = element("p", "document");
  note.append(icon("file"), element("span", "", translate("{url} (non chargé)", { url })));
  return note;
}
