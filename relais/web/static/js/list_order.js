// The order of a list is applied as soon as it is chosen. Without scripts, a button does it.
document.addEventListener("change", ({ target }) => target.matches("[data-list-order] select") && target.form.requestSubmit());
