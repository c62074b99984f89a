// [data-preview-of="id"] shows a text as the client will read it, while the text or the brand is being typed.
const BRAND_PLACEHOLDER = "{marque}"; // as in company/company_settings.py

document.querySelectorAll("[data-preview-of]").forEach((bubble) => {
  const text = document.getElementById(bubble.dataset.previewOf);
  const brand = document.getElementById(bubble.dataset.brandField);
  const update = () => { bubble.textContent = text.value.trim().replaceAll(BRAND_PLACEHOLDER, brand.value.trim()); };
  text.addEventListener("input", update);
  brand.addEventListener("input", update);
});
