// Formats <time datetime="ISO" data-time="clock|age|ago|at|countdown|day|moment|since|until"> in the reader's time zone and language,
// in the same words as web/times.py.
import { serverNow } from "./server_clock.js";

const REFRESH_INTERVAL_MS = 10_000;
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const MINUTES_FROM_MS = 2 * HOUR_MS; // as COUNTDOWN_IN_MINUTES in web/times.py
const language = document.documentElement.lang;
const WORDS = {
  fr: { underMinute: "< 1 min", second: "s", minute: "min", hour: "h", afterHour: "", day: "j", at: "à", on: "le" },
  en: { underMinute: "< 1 min", second: "s", minute: "min", hour: "h", afterHour: "", day: "d", at: "at", on: "on" },
  "ar-MA": { underMinute: "لحظات", second: "ث", minute: "د", hour: "س", afterHour: " د", day: "ي", at: "على الساعة", on: "يوم" },
};
const words = WORDS[language] ?? WORDS.en;
const clock = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const weekday = new Intl.DateTimeFormat(language, { weekday: "long" });
const dayMonth = new Intl.DateTimeFormat(language, { day: "numeric", month: "short" });
const weekdayDayMonth = new Intl.DateTimeFormat(language, { weekday: "long", day: "numeric", month: "long" });
const dayMonthYear = new Intl.DateTimeFormat(language, { day: "numeric", month: "long", year: "numeric" });
const fullDateTime = new Intl.DateTimeFormat(language, { dateStyle: "full", timeStyle: "short", hourCycle: "h23" });
const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto" });

const midnight = (date) => new Date(date.getFullYear(), date.getMonth(), date.getDate());
const daysAgo = (date) => Math.round((midnight(new Date(serverNow())) - midnight(date)) / DAY_MS);
const capitalize = (text) => text.charAt(0).toLocaleUpperCase(language) + text.slice(1);
const pad = (number) => String(number).padStart(2, "0");

export function duration(milliseconds) {
  const minutes = Math.max(0, Math.floor(milliseconds / MINUTE_MS));
  if (minutes < 1) return words.underMinute;
  if (minutes < 60) return `${minutes} ${words.minute}`;
  if (minutes < 1440) return `${Math.floor(minutes / 60)} ${words.hour} ${pad(minutes % 60)}${words.afterHour}`;
  return `${Math.floor(minutes / 1440)} ${words.day} ${Math.floor((minutes % 1440) / 60)} ${words.hour}`;
}

// Calm while there is time: whole hours, then minutes.
const countdown = (milliseconds) => (milliseconds < MINUTES_FROM_MS ? duration(milliseconds) : `${Math.floor(milliseconds / HOUR_MS)} ${words.hour}`);

const formats = {
  clock: (date) => clock.format(date),
  age(date) {
    const elapsedMs = serverNow() - date;
    return elapsedMs < MINUTE_MS ? `${Math.max(0, Math.floor(elapsedMs / 1000))} ${words.second}` : duration(elapsedMs);
  },
  since: (date) => duration(serverNow() - date),
  until: (date) => duration(date - serverNow()),
  countdown: (date) => countdown(date - serverNow()),
  ago(date) {
    const elapsedMs = serverNow() - date;
    if (elapsedMs < HOUR_MS) return duration(elapsedMs);
    return daysAgo(date) === 0 ? clock.format(date) : this.dayInWords(date, weekday, dayMonth);
  },
  // In a sentence: « terminée à 19:32 », « lundi à 19:32 », « le 3 mars à 19:32 ».
  at(date) {
    const time = `${words.at} ${clock.format(date)}`;
    const days = daysAgo(date);
    if (days === 0) return time;
    return `${days > 0 && days < 7 ? "" : `${words.on} `}${this.dayInWords(date, weekday, dayMonth)} ${time}`;
  },
  day(date) {
    return capitalize(this.dayInWords(date, weekdayDayMonth, weekdayDayMonth));
  },
  moment(date) {
    return daysAgo(date) === 0 ? clock.format(date) : `${this.dayInWords(date, weekday, dayMonth)} ${clock.format(date)}`;
  },
  dayInWords(date, thisWeek, thisYear) {
    const days = daysAgo(date);
    if (days === 0 || days === 1) return relative.format(-days, "day");
    if (days > 1 && days < 7) return thisWeek.format(date);
    return (date.getFullYear() === new Date(serverNow()).getFullYear() ? thisYear : dayMonthYear).format(date);
  },
};

function fillTime(element) {
  const date = new Date(element.dateTime);
  if (isNaN(date) || !(element.dataset.time in formats)) return;
  const text = formats[element.dataset.time](date);
  if (element.textContent !== text) element.textContent = text;
  element.title ||= fullDateTime.format(date);
}

export function fillTimes(root = document) {
  root.querySelectorAll("time[data-time]").forEach(fillTime);
}

// Others who show what changes with time do it with `relais:clock-ticked`, so that all change at once.
function refreshTimes() {
  if (document.hidden) return;
  fillTimes();
  document.dispatchEvent(new CustomEvent("relais:clock-ticked"));
}

fillTimes();
setInterval(refreshTimes, REFRESH_INTERVAL_MS);
document.addEventListener("visibilitychange", refreshTimes);
new MutationObserver((changes) => {
  for (const { addedNodes } of changes)
    for (const node of addedNodes)
      if (node.nodeType === Node.ELEMENT_NODE) node.matches("time[data-time]") ? fillTime(node) : fillTimes(node);
}).observe(document.body, { childList: true, subtree: true });
