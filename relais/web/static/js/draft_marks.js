// Marks the rows of conversations in which the user has a draft. Rows are the same for every viewer and are replaced at
// any time, so the mark is a rule of a style sheet and not an attribute of the row.
const sheet = new CSSStyleSheet();
document.adoptedStyleSheets.push(sheet);
const conversations = new Set();

function showMarks() {
  const rows = [...conversations].map((id) => `[data-conversation="${CSS.escape(id)}"] .row__draft`);
  sheet.replaceSync(rows.length ? `@layer components { ${rows.join()} { display: inline-flex; } }` : "");
}

document.addEventListener("relais:draft", ({ detail }) => {
  if (conversations.has(detail.conversation) === detail.hasDraft) return;
  conversations[detail.hasDraft ? "add" : "delete"](detail.conversation);
  showMarks();
});

document.querySelector("[data-drafts]")?.dataset.drafts.split(" ").forEach((id) => id && conversations.add(id));
showMarks();
