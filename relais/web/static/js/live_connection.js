// A connection to one address of /live: a WebSocket that reconnects with exponential backoff, and polling while no
// socket is possible.
const RECONNECT_MIN_MS = 500;
const RECONNECT_MAX_MS = 10_000;
const POLL_INTERVAL_MS = 5_000;
const IDLE_CHECK_AFTER_MS = 30_000; // then the socket is verified by a poll: a network that drops packets closes nothing
const FETCH_TIMEOUT_MS = 10_000;
const SOCKET_OPEN = 1; // WebSocket.OPEN
const CONNECT_TIMEOUT_MS = 5_000; // until the first frame: a proxy may accept an upgrade, then answer and close nothing
const FINAL_CODES = new Set([4401, 4404, 401, 404]); // signed out, no permission: as a close code or an HTTP status

export class LiveConnection {
  // path() gives the current address. Callbacks: onFrame(frame), onStateChange() with `state` live, polling or lost,
  // onEnd(code). isNewFrame(frame) tells whether a polled frame is one that the socket should have delivered.
  constructor({ path, onFrame, onStateChange, onEnd, isNewFrame }) {
    Object.assign(this, { path, onFrame, onStateChange, onEnd, isNewFrame, failures: 0, state: "", wasActive: true });
    const { signal } = (this.listeners = new AbortController());
    addEventListener("online", () => this.checkNow(), { signal });
    addEventListener("offline", () => this.markLost(), { signal });
    addEventListener("pageshow", ({ persisted }) => persisted && this.checkNow(), { signal });
    document.addEventListener("visibilitychange", () => document.hidden || this.checkNow(), { signal });
    document.addEventListener("visibilitychange", () => this.sendVisibility(), { signal });
    this.idleTimer = setInterval(() => this.verifyIdleSocket(), IDLE_CHECK_AFTER_MS / 3);
    this.connect();
  }

  connect() {
    clearTimeout(this.reconnectTimer);
    this.socket?.close();
    const address = new URL(this.address(), location.href);
    address.protocol = address.protocol.replace("http", "ws");
    const socket = (this.socket = new WebSocket(address));
    socket.onopen = () => socket === this.socket && this.sendVisibility();
    socket.onmessage = ({ data }) => socket === this.socket && this.receive(JSON.parse(data));
    socket.onclose = ({ code }) => socket === this.socket && this.onClose(code);
    clearTimeout(this.connectTimer);
    this.connectTimer = setTimeout(() => this.onConnectTimeout(socket), CONNECT_TIMEOUT_MS);
  }

  isOpen() {
    return this.socket?.readyState === SOCKET_OPEN;
  }

  // Nobody is notified of what he has in front of him.
  sendVisibility() {
    if (this.isOpen()) this.socket.send(document.hidden ? "hidden" : "visible");
  }

  // Whether the user did anything since the last connection or poll tells who is there from who left the page open.
  address() {
    const address = this.wasActive ? this.path() : `${this.path()}&idle=1`;
    this.wasActive = false;
    return address;
  }

  sendActivity() {
    if (this.isOpen()) this.socket.send("active");
    else this.wasActive = true;
  }

  // What is not sent now is lost.
  send(message) {
    if (this.isOpen()) this.socket.send(JSON.stringify(message));
  }

  onConnectTimeout(socket) {
    if (socket !== this.socket) return;
    this.dropSocket();
    this.poll(); // the next attempt may hang as long: the page must not wait for two
  }

  receive(frame) {
    this.failures = 0;
    this.lastFrameAt = Date.now();
    clearTimeout(this.pollTimer);
    clearTimeout(this.connectTimer);
    this.setState("live");
    this.onFrame(frame);
  }

  onClose(code) {
    this.socket = null;
    if (FINAL_CODES.has(code)) return this.end(code);
    this.failures += 1;
    if (this.state !== "polling") this.setState("lost");
    if (this.failures === 2) this.poll();
    const backoffMs = Math.min(RECONNECT_MAX_MS, RECONNECT_MIN_MS * 2 ** (this.failures - 1));
    const jitter = 0.75 + Math.random() / 2;
    this.reconnectTimer = setTimeout(() => this.connect(), backoffMs * jitter);
  }

  // The network is gone; the socket may not have noticed yet.
  markLost() {
    if (this.socket) this.dropSocket();
  }

  dropSocket() {
    this.socket.onclose = null;
    this.socket.close();
    this.onClose(0);
  }

  checkNow() {
    if (this.isEnded) return;
    if (this.socket) this.verifyIdleSocket();
    else this.connect();
  }

  async fetchFrames() {
    const response = await fetch(this.address(), { headers: { Accept: "application/json" }, signal: AbortSignal.timeout(FETCH_TIMEOUT_MS) });
    if (FINAL_CODES.has(response.status)) this.end(response.status);
    if (!response.ok) throw new Error(response.status);
    return response.json();
  }

  async poll() {
    if (this.isPolling || this.isEnded) return;
    this.isPolling = true;
    clearTimeout(this.pollTimer);
    try {
      const frames = await this.fetchFrames();
      if (this.state === "live" || this.isEnded) return;
      frames.forEach((frame) => this.onFrame(frame));
      this.setState("polling");
    } catch {
      if (this.state !== "live") this.setState("lost");
    } finally {
      this.isPolling = false;
    }
    if (this.state !== "live" && !this.isEnded) this.pollTimer = setTimeout(() => this.poll(), POLL_INTERVAL_MS);
  }

  async verifyIdleSocket() {
    if (this.state !== "live" || document.hidden || Date.now() - this.lastFrameAt < IDLE_CHECK_AFTER_MS) return;
    const checkedAt = (this.lastFrameAt = Date.now());
    const frames = await this.fetchFrames().catch(() => null);
    if (this.isEnded) return;
    if (this.lastFrameAt === checkedAt && (!frames || frames.some(this.isNewFrame))) this.markLost();
  }

  // The page does not need it any more: no callback is called from now on.
  close() {
    this.isEnded = true;
    for (const timer of [this.reconnectTimer, this.connectTimer, this.pollTimer]) clearTimeout(timer);
    clearInterval(this.idleTimer);
    this.listeners.abort();
    const { socket } = this;
    this.socket = null;
    socket?.close();
  }

  end(code) {
    if (this.isEnded) return;
    this.close();
    this.setState("lost");
    this.onEnd(code);
  }

  setState(state) {
    if (state === this.state) return;
    this.state = state;
    this.onStateChange();
  }
}
