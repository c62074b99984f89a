// One message as it stands on the phone. Whatever was written is text, never markup.

export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#${name}`);
  svg.setAttribute("aria-hidden", "true");
  svg.append(use);
  return svg;
}

export function element(tag, className = "", text = "") {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}

export function bubble(message) {
  const made = element("li", message.mine ? "bubble mine" : "bubble");
  const text = element("p", "text", message.body);
  text.dir = "auto";
  made.append(...message.media.map(picture), text, element("p", "meta"));
  refresh(made, message);
  return made;
}

export function refresh(made, message) {
  const lost = message.mine && message.state === "failed";
  made.classList.toggle("lost", lost);
  made.lastElementChild.replaceChildren(...(lost ? notHandedOver() : [clock(message.at), ...ticks(message)]));
}

const notHandedOver = () => [icon("alert"), element("span", "", "Non remis\u00a0: équipe injoignable")];

function clock(at) {
  const time = element("time", "", new Date(at).toLocaleTimeString("fr-FR", { hour: "2-digit", minute: "2-digit" }));
  time.dateTime = at;
  return time;
}

function ticks(message) {
  if (!message.mine) return [];
  const [name, meaning] = message.state === "delivered" ? ["check-check", "Remis"] : ["check", "Envoyé"];
  const mark = icon(name);
  mark.setAttribute("data-tick", message.state);
  return [mark, element("span", "unseen", meaning)];
}

function picture(media) {
  const address = `/simulator/api/media/${encodeURIComponent(media.sid)}`;
  const family = media.content_type.split("/")[0];
  if (family === "image") return Object.assign(element("img"), { src: address, alt: media.filename || "Photo" });
  if (family === "audio" || family === "video") return Object.assign(element(family), { src: address, controls: true });
  return media.content_type ? document_(media.filename || "Document", address) : unloaded(media.url);
}

function document_(name, address) {
  const link = element("a", "document");
  link.href = address;
  link.append(icon("file"), element("span", "", name));
  return link;
}

function unloaded(url) {
  const note = element("p", "document");
  note.append(icon("file"), element("span", "", `${url} (non chargé)`));
  return note;
}
