// One address of /live kept open: a socket that comes back, and asking every 5 s for as long as none is possible.
const SHORTEST = 500;
const LONGEST = 10_000;
const POLL = 5_000;
const SILENCE = 30_000; // then the socket is looked after: a network that swallows packets closes nothing
const PATIENCE = 10_000;
const CONNECT_TIMEOUT = 5_000; // to the first frame: a proxy may take an upgrade, answer nothing and close nothing
const LEAVE = new Set([4401, 4404, 401, 404]); // signed out, out of reach: as a close code, as a status

export class Channel {
  // path() is the address as it is now; heard(frame), changed(state: live | polling | lost), left(code) are told.
  constructor({ path, heard, changed, left, isNews }) {
    Object.assign(this, { path, heard, changed, left, isNews, failures: 0, state: "" });
    addEventListener("online", () => this.hurry());
    addEventListener("offline", () => this.lost());
    addEventListener("pageshow", ({ persisted }) => persisted && this.hurry());
    document.addEventListener("visibilitychange", () => document.hidden || this.hurry());
    this.watch = setInterval(() => this.lookAfter(), SILENCE / 3);
    this.connect();
  }

  connect() {
    clearTimeout(this.retry);
    this.socket?.close();
    const address = new URL(this.path(), location.href);
    address.protocol = address.protocol.replace("http", "ws");
    const socket = (this.socket = new WebSocket(address));
    socket.onmessage = ({ data }) => socket === this.socket && this.take(JSON.parse(data));
    socket.onclose = ({ code }) => socket === this.socket && this.closed(code);
    clearTimeout(this.hangs);
    this.hangs = setTimeout(() => this.timedOut(socket), CONNECT_TIMEOUT);
  }

  timedOut(socket) {
    if (socket !== this.socket) return;
    this.drop();
    this.ask(); // the next attempt may hang as long: the page must not wait for two
  }

  take(frame) {
    this.failures = 0;
    this.at = Date.now();
    clearTimeout(this.poll);
    clearTimeout(this.hangs);
    this.tell("live");
    this.heard(frame);
  }

  closed(code) {
    this.socket = null;
    if (LEAVE.has(code)) return this.leave(code);
    this.failures += 1;
    if (this.state !== "polling") this.tell("lost");
    if (this.failures === 2) this.ask();
    const pause = Math.min(LONGEST, SHORTEST * 2 ** (this.failures - 1));
    this.retry = setTimeout(() => this.connect(), pause * (0.75 + Math.random() / 2));
  }

  // The network went: the socket may not know it yet.
  lost() {
    if (this.socket) this.drop();
  }

  drop() {
    this.socket.onclose = null;
    this.socket.close();
    this.closed(0);
  }

  hurry() {
    if (this.isOver) return;
    if (this.socket) this.lookAfter();
    else this.connect();
  }

  async fetch() {
    const answer = await fetch(this.path(), { headers: { Accept: "application/json" }, signal: AbortSignal.timeout(PATIENCE) });
    if (LEAVE.has(answer.status)) this.leave(answer.status);
    if (!answer.ok) throw new Error(answer.status);
    return answer.json();
  }

  async ask() {
    if (this.isAsking || this.isOver) return;
    this.isAsking = true;
    clearTimeout(this.poll);
    try {
      const frames = await this.fetch();
      if (this.state === "live") return;
      frames.forEach((frame) => this.heard(frame));
      this.tell("polling");
    } catch {
      if (this.state !== "live") this.tell("lost");
    } finally {
      this.isAsking = false;
    }
    if (this.state !== "live" && !this.isOver) this.poll = setTimeout(() => this.ask(), POLL);
  }

  async lookAfter() {
    if (this.state !== "live" || document.hidden || Date.now() - this.at < SILENCE) return;
    const at = (this.at = Date.now());
    const frames = await this.fetch().catch(() => null);
    if (this.at === at && (!frames || frames.some(this.isNews))) this.lost();
  }

  leave(code) {
    this.isOver = true;
    clearTimeout(this.retry);
    clearTimeout(this.hangs);
    clearTimeout(this.poll);
    clearInterval(this.watch);
    this.socket?.close();
    this.tell("lost");
    this.left(code);
  }

  tell(state) {
    if (state === this.state) return;
    this.state = state;
    this.changed();
  }
}
