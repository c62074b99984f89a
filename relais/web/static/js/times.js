// Fills <time datetime="ISO" data-time="clock|age|ago|at|day|moment|since|until"> in the reader's zone and language.
const language = document.documentElement.lang;
const clock = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const weekday = new Intl.DateTimeFormat(language, { weekday: "long" });
const dayMonth = new Intl.DateTimeFormat(language, { day: "numeric", month: "short" });
const longDay = new Intl.DateTimeFormat(language, { weekday: "long", day: "numeric", month: "long" });
const withYear = new Intl.DateTimeFormat(language, { day: "numeric", month: "long", year: "numeric" });
const full = new Intl.DateTimeFormat(language, { dateStyle: "full", timeStyle: "short", hourCycle: "h23" });
const near = new Intl.RelativeTimeFormat(language, { numeric: "auto" });

const midnight = (date) => new Date(date.getFullYear(), date.getMonth(), date.getDate());
const daysAgo = (date) => Math.round((midnight(new Date()) - midnight(date)) / 86_400_000);
const capital = (text) => text.charAt(0).toLocaleUpperCase(language) + text.slice(1);
const pad = (number) => String(number).padStart(2, "0");

export function duration(milliseconds) {
  const minutes = Math.max(0, Math.floor(milliseconds / 60_000));
  if (minutes < 1) return "< 1 min";
  if (minutes < 60) return `${minutes} min`;
  if (minutes < 1440) return `${Math.floor(minutes / 60)} h ${pad(minutes % 60)}`;
  return `${Math.floor(minutes / 1440)} ${language === "fr" ? "j" : "d"} ${Math.floor((minutes % 1440) / 60)} h`;
}

const kinds = {
  clock: (date) => clock.format(date),
  age(date) {
    const passed = Date.now() - date;
    return passed < 60_000 ? `${Math.max(0, Math.floor(passed / 1000))} s` : duration(passed);
  },
  since: (date) => duration(Date.now() - date),
  until: (date) => duration(date - Date.now()),
  ago(date) {
    const passed = Date.now() - date;
    if (passed < 3_600_000) return duration(passed);
    return daysAgo(date) === 0 ? clock.format(date) : this.dayInWords(date, weekday, dayMonth);
  },
  // Within a sentence: « terminée à 19:32 », « lundi à 19:32 », « le 3 mars à 19:32 ».
  at(date) {
    const [at, on] = language === "fr" ? ["à", "le"] : ["at", "on"];
    const time = `${at} ${clock.format(date)}`;
    const days = daysAgo(date);
    if (days === 0) return time;
    return `${days > 0 && days < 7 ? "" : `${on} `}${this.dayInWords(date, weekday, dayMonth)} ${time}`;
  },
  day(date) {
    return capital(this.dayInWords(date, longDay, longDay));
  },
  moment(date) {
    return daysAgo(date) === 0 ? clock.format(date) : `${this.dayInWords(date, weekday, dayMonth)} ${clock.format(date)}`;
  },
  dayInWords(date, thisWeek, thisYear) {
    const days = daysAgo(date);
    if (days === 0 || days === 1) return near.format(-days, "day");
    if (days > 1 && days < 7) return thisWeek.format(date);
    return (date.getFullYear() === new Date().getFullYear() ? thisYear : withYear).format(date);
  },
};

function fill(element) {
  const date = new Date(element.dateTime);
  if (isNaN(date) || !(element.dataset.time in kinds)) return;
  const text = kinds[element.dataset.time](date);
  if (element.textContent !== text) element.textContent = text;
  element.title ||= full.format(date);
}

export function fillTimes(root = document) {
  root.querySelectorAll("time[data-time]").forEach(fill);
}

fillTimes();
setInterval(() => document.hidden || fillTimes(), 10_000);
document.addEventListener("visibilitychange", () => document.hidden || fillTimes());
new MutationObserver((changes) => {
  for (const { addedNodes } of changes)
    for (const node of addedNodes)
      if (node.nodeType === Node.ELEMENT_NODE) node.matches("time[data-time]") ? fill(node) : fillTimes(node);
}).observe(document.body, { childList: true, subtree: true });
