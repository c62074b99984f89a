// Puts it together: which phones stand on the table, and the line that feeds them.

import { get, remove } from "./api.js";
import { listen } from "./line.js";
import { addDialog, chips } from "./people.js";
import { Phone } from "./phone.js";

const MOST = 4;
const NARROWEST = 320;
const REMEMBERED = "relais.simulator.open";

const table = document.querySelector("[data-phones]");
const phones = new Map();
let people = [];
let company = { name: "", number: "" };
let open = remembered();

function remembered() {
  try {
    return JSON.parse(localStorage.getItem(REMEMBERED)) ?? [];
  } catch {
    return [];
  }
}

function remember() {
  try {
    localStorage.setItem(REMEMBERED, JSON.stringify(open));
  } catch {
    // Without storage the choice lasts as long as the page.
  }
}

const room = () => Math.max(1, Math.min(MOST, Math.floor((innerWidth - 24) / NARROWEST)));
const visible = () => open.filter((address) => phones.has(address)).slice(-room());

function choose(address) {
  const isAlone = room() === 1;
  if (visible().includes(address) && !isAlone) open = open.filter((other) => other !== address);
  else open = [...open.filter((other) => other !== address), address];
  remember();
  lay();
}

function hide(address) {
  open = open.filter((other) => other !== address);
  remember();
  lay();
}

async function forget(address) {
  await remove(`people/${encodeURIComponent(address)}`);
  people = people.filter((person) => person.address !== address);
  phones.delete(address);
  hide(address);
}

function know(person) {
  if (!people.some((other) => other.address === person.address)) people.push(person);
  else people = people.map((other) => (other.address === person.address ? person : other));
  if (phones.get(person.address)?.person.name === person.name) return;
  const before = phones.get(person.address);
  const phone = new Phone(person, company, {
    onHide: () => hide(person.address),
    onRemove: () => forget(person.address).catch(() => {}),
    onChange: draw,
  });
  before?.thread.messages.forEach((message) => phone.receive(message));
  phones.set(person.address, phone);
}

function lay() {
  const wanted = visible().map((address) => phones.get(address));
  const before = new Set(table.children);
  wanted.forEach((phone, index) => {
    if (table.children[index] !== phone.element) table.insertBefore(phone.element, table.children[index] ?? null);
  });
  while (table.children.length > wanted.length) table.lastElementChild.remove();
  wanted.forEach((phone) => phone.thread.draw({ toTheEnd: !before.has(phone.element) }));
  document.querySelector("[data-nobody]").hidden = wanted.length > 0;
  draw();
}

function draw() {
  phones.forEach((phone) => phone.reportRead());
  chips(document.querySelector("[data-people]"), people, {
    isOpen: (address) => visible().includes(address),
    unreadOf: (address) => phones.get(address).thread.unread.filter(({ sid }) => !phones.get(address).reported.has(sid)).length,
    onChoose: choose,
  });
  if (room() === 1) document.querySelector("[data-chip][aria-pressed=true]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
}

function receive(messages) {
  const touched = new Set();
  for (const message of messages) {
    const phone = phones.get(message.address);
    phone?.receive(message);
    if (phone) touched.add(phone);
  }
  touched.forEach((phone) => phone.thread.draw());
  if (touched.size) draw();
}

async function begin() {
  const state = await get("state");
  company = state.company;
  people = [];
  phones.clear();
  table.replaceChildren();
  state.people.forEach(know);
  if (!visible().length && people.length) open = people.slice(0, room() > 1 ? 2 : 1).map((person) => person.address);
  lay();
}

async function start() {
  const offline = document.querySelector("[data-offline]");
  const onNetwork = (there) => (offline.hidden = there);
  for (;;) {
    try {
      await begin();
      break;
    } catch {
      onNetwork(false);
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }
  addDialog(document.querySelector("[data-dialog]"), document.querySelector("[data-add]"), async (person) => {
    know(person);
    // He may have written before he was taken off the table.
    receive((await get("changes?since=0").catch(() => ({ messages: [] }))).messages);
    open = [...open.filter((other) => other !== person.address), person.address];
    remember();
    lay();
    phones.get(person.address).element.querySelector("textarea").focus();
  });
  addEventListener("resize", lay);
  document.addEventListener("visibilitychange", draw);
  await listen({ onMessages: receive, onNewDouble: begin, onNetwork });
}

start();
