// The key « / » outside of fields: to the search box of this page, else to the search page.
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (event.target.closest("input, textarea, select, [contenteditable], dialog")) return;
  const input = document.querySelector("[data-search] [name=q]");
  const link = document.querySelector('.sidebar a[href="/dashboard/search"]');
  if (!input && !link) return;
  event.preventDefault();
  if (!input) return link.click();
  input.focus();
  input.select();
});
