// WhatsApp's 24-hour window: how long before its end rows and the composer warn (`CLOSING_SOON` in `service_window.py`).
export const WINDOW_WARNING_MS = 2 * 3_600_000;
