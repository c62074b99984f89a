// Escape leaves the message for the thread, where single keys act; Enter in the thread goes back to the message.
document.addEventListener("keydown", ({ key, target, isComposing, defaultPrevented }) => {
  if (defaultPrevented || isComposing || document.querySelector("dialog[open]")) return;
  if (key === "Escape" && target.matches?.("[data-composer] [name=message]")) {
    document.querySelector("[data-thread]")?.focus({ preventScroll: true });
  }
});

document.addEventListener("keydown", (event) => {
  const message = document.querySelector("[data-composer] [name=message]");
  if (event.key !== "Enter" || event.defaultPrevented || !message || !event.target.matches?.("[data-thread]")) return;
  event.preventDefault();
  message.focus();
});
