// A definition that is too large is said before it is sent: the server takes none of it and could not give it back.
for (const field of document.querySelectorAll("[data-largest]")) {
  field.addEventListener("input", () => {
    const size = field.files ? (field.files[0]?.size ?? 0) : new Blob([field.value]).size;
    field.setCustomValidity(size > Number(field.dataset.largest) ? field.form.dataset.tooLarge : "");
    field.reportValidity();
  });
}
