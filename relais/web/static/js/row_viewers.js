// Who else looks at a conversation, on its rows. Rows are the same for every viewer and are replaced at any time, so they
// are marked again whenever the list has changed.
const namesOf = new Map(); // by conversation: the names of the others
const { user } = document.body.dataset;

function mark(row) {
  const names = namesOf.get(row.dataset.conversation) ?? [];
  row.toggleAttribute("data-viewed", names.length > 0);
  if (!names.length) return;
  const others = names.length > 1 ? ` +${names.length - 1}` : "";
  const words = row.closest("[data-viewing]").dataset.viewing.replace("{name}", names[0].split(" ")[0]) + others;
  const text = row.querySelector(".row__viewers > span");
  if (text.textContent !== words) text.textContent = words;
}

const markAll = () => document.querySelectorAll("[data-viewing] > .row").forEach(mark);

document.addEventListener("relais:viewers", ({ detail }) => {
  if (detail.all) namesOf.clear();
  for (const { conversation, viewers } of detail.conversations) {
    const names = viewers.filter(({ id }) => String(id) !== user).map(({ name }) => name);
    namesOf[names.length ? "set" : "delete"](String(conversation), names);
  }
  markAll();
});
document.addEventListener("relais:list-changed", markAll);
document.addEventListener("htmx:afterSettle", markAll);
