// Reports a definition over the size limit before it is sent: the server would refuse it and could not return the text.
for (const field of document.querySelectorAll("[data-max-bytes]")) {
  field.addEventListener("input", () => {
    const bytes = field.files ? (field.files[0]?.size ?? 0) : new Blob([field.value]).size;
    field.setCustomValidity(bytes > Number(field.dataset.maxBytes) ? field.form.dataset.tooLarge : "");
    field.reportValidity();
  });
}
