// <button data-opens="id"> opens that <dialog>; [data-closes] inside it, or a click on its backdrop, closes it.
document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-opens]");
  const dialog = opener && document.getElementById(opener.dataset.opens);
  if (dialog) {
    event.preventDefault();
    dialog.showModal();
  } else if (event.target.closest("dialog [data-closes]") || event.target.matches("dialog[open]")) {
    event.preventDefault();
    event.target.closest("dialog").close();
  }
});
