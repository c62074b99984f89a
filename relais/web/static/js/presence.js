// Who else is on this conversation: this page reports over its socket what its reader does, and shows what the others do.
const REPORT_INTERVAL_MS = 3_000;
const TYPING_MS = 4_000; // after the last key, he has stopped writing
const { user } = document.body.dataset;
let typed = { activity: "view", at: 0 };
let reported = "";

function currentActivity() {
  if (document.hidden) return "";
  return Date.now() - typed.at < TYPING_MS ? typed.activity : "view";
}

function report() {
  reported = currentActivity();
  document.dispatchEvent(new CustomEvent("relais:report", { detail: { activity: reported } }));
}

function reportChange() {
  if (currentActivity() !== reported) report();
}

document.addEventListener("input", ({ target }) => {
  if (!target.matches("[data-note-text], [data-composer] textarea")) return;
  typed = { activity: target.matches("[data-note-text]") ? "note" : "write", at: target.value ? Date.now() : 0 };
  reportChange();
});
document.addEventListener("visibilitychange", reportChange);
document.addEventListener("relais:caught-up", report);
setInterval(() => document.hidden ? reportChange() : report(), REPORT_INTERVAL_MS);

// -- the others ---------------------------------------------------------------------------------------------------

const MOST_SPECIFIC_FIRST = ["note", "write", "view"];
const MAX_SHOWN = 3;

function show(viewers) {
  const line = document.querySelector("[data-presence]");
  if (!line) return;
  const others = viewers.filter(({ id }) => String(id) !== user);
  const words = others.flatMap(({ name, activities }) => {
    const activity = MOST_SPECIFIC_FIRST.find((each) => activities.includes(each));
    return activity ? [line.dataset[activity].replace("{name}", name.split(" ")[0])] : [];
  });
  line.hidden = !words.length;
  const extra = words.length - MAX_SHOWN;
  line.querySelector("[data-presence-text]").textContent = words.slice(0, MAX_SHOWN).join(" · ") + (extra > 0 ? ` · +${extra}` : "");
}

document.addEventListener("relais:presence", ({ detail }) => show(detail.viewers));
document.addEventListener("relais:conversation-left", () => (typed = { activity: "view", at: 0 }));
