// WhatsApp's 24-hour window in rows and in the composer: open, closing soon (`CLOSING_SOON` in `service_window.py`) or closed.
import { serverNow } from "./server_clock.js";

const CLOSING_SOON_MS = 2 * 3_600_000;

export function windowState(closesAt) {
  const remainingMs = Date.parse(closesAt) - serverNow();
  if (remainingMs <= 0) return "closed";
  return remainingMs < CLOSING_SOON_MS ? "soon" : "open";
}
