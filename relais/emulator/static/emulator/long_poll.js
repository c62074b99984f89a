// Long polling of the double for changes, for all phones at once. Reconnects with exponential backoff.

import { get } from "./api.js";

const RETRY_PAUSES_MS = [500, 1000, 2000, 4000];

export async function pollChanges({ onMessages, onTyping, onDoubleRestarted, onNetwork }) {
  let boot = "";
  let since = 0;
  for (let failures = 0; ; ) {
    try {
      const changes = await get(`changes?since=${since}&boot=${boot}`);
      // The double was restarted and has forgotten its messages: load its state again.
      if (boot && changes.boot !== boot) await onDoubleRestarted();
      boot = changes.boot;
      since = changes.last;
      failures = 0;
      onNetwork(true);
      onMessages(changes.messages);
      onTyping(changes.typing);
    } catch {
      onNetwork(false);
      await new Promise((resolve) => setTimeout(resolve, RETRY_PAUSES_MS[Math.min(failures++, RETRY_PAUSES_MS.length - 1)]));
    }
  }
}
