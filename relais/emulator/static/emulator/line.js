// The line to the double: everything that changes, as soon as it changes, for all phones at once.

import { get } from "./api.js";

const PAUSES = [500, 1000, 2000, 4000];

export async function listen({ onMessages, onNewDouble, onNetwork }) {
  let boot = "";
  let since = 0;
  for (let failures = 0; ; ) {
    try {
      const news = await get(`changes?since=${since}&boot=${boot}`);
      // Another double remembers other things: begin again with what it knows.
      if (boot && news.boot !== boot) await onNewDouble();
      boot = news.boot;
      since = news.last;
      failures = 0;
      onNetwork(true);
      onMessages(news.messages);
    } catch {
      onNetwork(false);
      await new Promise((resolve) => setTimeout(resolve, PAUSES[Math.min(failures++, PAUSES.length - 1)]));
    }
  }
}
