// Loads htmx on the conversation page once something there needs it: a quarter of the page's bytes, and most visits end
// before the reader scrolls up to earlier messages. htmx processes the whole page when it is loaded.
const POLLED_ELEMENTS_DELAY_MS = 5_000;
const source = document.querySelector("meta[name=htmx-script]");

function loadHtmx() {
  if (!source.content) return;
  document.head.append(Object.assign(document.createElement("script"), { src: source.content }));
  source.content = "";
}

const approaching = new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && loadHtmx(), { rootMargin: "400px" });
document.addEventListener("relais:conversation-opened", () => {
  document.querySelectorAll("#thread > [hx-get]").forEach((element) => approaching.observe(element));
});
if (document.querySelector("[hx-trigger^=every]")) setTimeout(loadHtmx, POLLED_ELEMENTS_DELAY_MS);
