// The server's clock. That of the reader's computer may be wrong, and what is counted down ends by the server's.
const MIN_DIFFERENCE_MS = 60_000; // smaller ones are the time a page takes to arrive
let offsetMs = 0;

export const serverNow = () => Date.now() + offsetMs;

function setServerTime(serverMs) {
  const differenceMs = serverMs - Date.now();
  if (!isNaN(differenceMs)) offsetMs = Math.abs(differenceMs) > MIN_DIFFERENCE_MS ? differenceMs : 0;
}

// Every response says when it was made. So a computer whose clock was set meanwhile is understood again.
export const readServerTime = (response) => setServerTime(Date.parse(response.headers.get("Date") ?? ""));

setServerTime(Date.parse(document.body.dataset.now ?? ""));
