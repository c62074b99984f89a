// Entry point: which phones are shown, and the updates they receive.

import { get, remove } from "./api.js";
import { pollChanges } from "./long_poll.js";
import { drawClientList, setUpAddDialog } from "./client_picker.js";
import { Phone } from "./phone.js";

const MAX_PHONES = 4;
const MIN_PHONE_WIDTH_PX = 320;
const PAGE_PADDING_PX = 24;
const RETRY_PAUSE_MS = 1000;
const STORAGE_KEY = "relais.simulator.open";

const container = document.querySelector("[data-phones]");
const phones = new Map();
let clients = [];
let company = { name: "", number: "" };
let open = loadOpen();

function loadOpen() {
  try {
    return JSON.parse(localStorage.getItem(STORAGE_KEY)) ?? [];
  } catch {
    return [];
  }
}

function saveOpen() {
  try {
    localStorage.setItem(STORAGE_KEY, JSON.stringify(open));
  } catch {
    // Without storage the choice lasts as long as the page.
  }
}

const phonesThatFit = () => Math.max(1, Math.min(MAX_PHONES, Math.floor((innerWidth - PAGE_PADDING_PX) / MIN_PHONE_WIDTH_PX)));
const visible = () => open.filter((address) => phones.has(address)).slice(-phonesThatFit());

function choose(address) {
  const isAlone = phonesThatFit() === 1;
  if (visible().includes(address) && !isAlone) open = open.filter((other) => other !== address);
  else open = [...open.filter((other) => other !== address), address];
  saveOpen();
  layOut();
}

function hide(address) {
  open = open.filter((other) => other !== address);
  saveOpen();
  layOut();
}

async function removeClient(address) {
  await remove(`people/${encodeURIComponent(address)}`);
  clients = clients.filter((client) => client.address !== address);
  phones.delete(address);
  hide(address);
}

function addClient(client) {
  if (!clients.some((other) => other.address === client.address)) clients.push(client);
  else clients = clients.map((other) => (other.address === client.address ? client : other));
  if (phones.get(client.address)?.client.name === client.name) return;
  const replaced = phones.get(client.address);
  const phone = new Phone(client, company, {
    onHide: () => hide(client.address),
    onRemove: () => removeClient(client.address).catch(() => {}),
    onChange: draw,
  });
  replaced?.thread.messages.forEach((message) => phone.receive(message));
  phones.set(client.address, phone);
}

function layOut() {
  const shown = visible().map((address) => phones.get(address));
  const previous = new Set(container.children);
  shown.forEach((phone, index) => {
    if (container.children[index] !== phone.element) container.insertBefore(phone.element, container.children[index] ?? null);
  });
  while (container.children.length > shown.length) container.lastElementChild.remove();
  shown.forEach((phone) => phone.thread.draw({ scrollToEnd: !previous.has(phone.element) }));
  document.querySelector("[data-nobody]").hidden = shown.length > 0;
  draw();
}

function draw() {
  phones.forEach((phone) => phone.reportRead());
  drawClientList(document.querySelector("[data-clients]"), clients, {
    isOpen: (address) => visible().includes(address),
    unreadOf: (address) => phones.get(address).thread.unread.filter(({ sid }) => !phones.get(address).reported.has(sid)).length,
    onChoose: choose,
  });
  if (phonesThatFit() === 1) document.querySelector("[data-chip][aria-pressed=true]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
}

function receive(messages) {
  const updated = new Set();
  for (const message of messages) {
    const phone = phones.get(message.address);
    phone?.receive(message);
    if (phone) updated.add(phone);
  }
  updated.forEach((phone) => phone.thread.draw());
  if (updated.size) draw();
}

function showTyping(secondsByClient) {
  phones.forEach((phone, address) => phone.showTyping(secondsByClient[address] ?? 0));
}

async function loadState() {
  const state = await get("state");
  company = state.company;
  clients = [];
  phones.clear();
  container.replaceChildren();
  state.people.forEach(addClient);
  if (!visible().length && clients.length) open = clients.slice(0, phonesThatFit() > 1 ? 2 : 1).map((client) => client.address);
  layOut();
}

async function start() {
  const offline = document.querySelector("[data-offline]");
  const onNetwork = (isOnline) => (offline.hidden = isOnline);
  for (;;) {
    try {
      await loadState();
      break;
    } catch {
      onNetwork(false);
      await new Promise((resolve) => setTimeout(resolve, RETRY_PAUSE_MS));
    }
  }
  setUpAddDialog(document.querySelector("[data-dialog]"), document.querySelector("[data-add]"), async (client) => {
    addClient(client);
    // The client may have messages from before the phone was removed.
    receive((await get("changes?since=0").catch(() => ({ messages: [] }))).messages);
    open = [...open.filter((other) => other !== client.address), client.address];
    saveOpen();
    layOut();
    phones.get(client.address).element.querySelector("textarea").focus();
  });
  addEventListener("resize", layOut);
  document.addEventListener("visibilitychange", draw);
  await pollChanges({ onMessages: receive, onTyping: showTyping, onDoubleRestarted: loadState, onNetwork });
}

start();
