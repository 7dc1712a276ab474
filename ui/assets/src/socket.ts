import { type Delta, isDelta } from "./messages";

type Listener = (delta: Delta) => void;

/** What a page is told about its connection. */
export interface ConnectionEvents {
  /** How long ago, in ms, the page asked for what it shows. */
  age(): number;
  /** The connection stands; again says that it was lost in between. */
  up(again: boolean): void;
  down(): void;
  /** Something was missed on a topic, or the server asks for a fresh look. */
  stale(topic: string): void;
}

const firstDelay = 500;
const longestDelay = 15_000;

/**
 * One WebSocket for a page. Listeners come and go per topic; a lost connection is made again with growing,
 * randomly spread delays, so that a restarted server is not met by all pages at once.
 */
export class LiveSocket {
  private socket: WebSocket | null = null;
  private readonly listeners = new Map<string, Set<Listener>>();
  private readonly sequence = new Map<string, number>();
  private failures = 0;
  private opened = false;
  private ended = false;
  private timer = 0;

  constructor(private readonly events: ConnectionEvents) {}

  connect(): void {
    this.ended = false;
    const url = new URL("/live", location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(url);
    this.socket = socket;
    socket.addEventListener("open", () => this.open());
    socket.addEventListener("message", (e) => this.receive(String(e.data)));
    socket.addEventListener("close", () => this.lost(socket));
  }

  /** Tries at once instead of waiting; for when the network or the tab came back. */
  hurry(): void {
    if (this.ended || this.timer === 0) return;
    clearTimeout(this.timer);
    this.timer = 0;
    this.connect();
  }

  close(): void {
    this.ended = true;
    clearTimeout(this.timer);
    this.socket?.close();
  }

  /** Listens to a topic; call what is returned to end that. */
  listen(topic: string, listener: Listener): () => void {
    const known = this.listeners.get(topic);
    if (known) known.add(listener);
    else {
      this.listeners.set(topic, new Set([listener]));
      this.subscribe();
    }
    return () => {
      const set = this.listeners.get(topic);
      set?.delete(listener);
      if (set?.size === 0) {
        this.listeners.delete(topic);
        this.sequence.delete(topic);
        this.subscribe();
      }
    };
  }

  private subscribe(): void {
    if (this.socket?.readyState !== WebSocket.OPEN) return;
    this.socket.send(JSON.stringify({ subscribe: [...this.listeners.keys()], age: Math.round(this.events.age()) }));
  }

  private open(): void {
    const again = this.opened;
    this.opened = true;
    this.failures = 0;
    this.sequence.clear();
    this.subscribe();
    this.events.up(again);
  }

  private lost(socket: WebSocket): void {
    if (this.ended || socket !== this.socket) return;
    this.events.down();
    const delay = Math.min(longestDelay, firstDelay * 2 ** this.failures) * (0.5 + Math.random());
    this.failures++;
    this.timer = window.setTimeout(() => {
      this.timer = 0;
      this.connect();
    }, delay);
  }

  private receive(text: string): void {
    const delta: unknown = JSON.parse(text);
    if (!isDelta(delta)) return;
    const last = this.sequence.get(delta.topic);
    this.sequence.set(delta.topic, delta.seq);
    if (delta.reload === true || (last !== undefined && delta.seq !== last + 1)) this.events.stale(delta.topic);
    for (const listener of this.listeners.get(delta.topic) ?? []) listener(delta);
  }
}
