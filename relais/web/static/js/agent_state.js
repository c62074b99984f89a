// The user's own state in the rail: the server tells it to a page that opens, and each change to all his open pages.
const liveState = document.getElementById("live-state");

function show({ state, reason, label }) {
  for (const dot of document.querySelectorAll("[data-own-state] .agent-dot, .sidebar__account .agent-dot")) dot.dataset.agentState = state;
  for (const element of document.querySelectorAll("[data-own-state]")) {
    element.querySelector("[data-state-label]").textContent = reason || label;
  }
}

// A page that polls gets no frames of its user.
async function load() {
  const url = document.querySelector("[data-own-state]").href;
  const response = await fetch(url, { headers: { Accept: "application/json" } }).catch(() => null);
  if (response?.ok && !response.redirected) show(await response.json());
}

document.addEventListener("relais:agent-state", ({ detail }) => show(detail));
if (liveState) {
  const observer = new MutationObserver(() => liveState.dataset.state === "polling" && load());
  observer.observe(liveState, { attributeFilter: ["data-state"] });
}
