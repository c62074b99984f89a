// [data-preview-of="id"] shows what a client will read while the text, or the brand, is being typed.
const MARK = "{marque}"; // BRAND_MARK in company/company_settings.py

document.querySelectorAll("[data-preview-of]").forEach((bubble) => {
  const text = document.getElementById(bubble.dataset.previewOf);
  const brand = document.getElementById(bubble.dataset.brandField);
  const show = () => { bubble.textContent = text.value.trim().replaceAll(MARK, brand.value.trim()); };
  text.addEventListener("input", show);
  brand.addEventListener("input", show);
});
