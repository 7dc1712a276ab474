import type { Delta } from "./messages";
import { RelativeTime, age, showLocalTimes } from "./relative-time";
import { LiveSocket } from "./socket";

const refetchPause = 1000;
const bannerAfter = 1500;
const expiryPause = 500; // after which what ends at a time has ended for the server, too

/** Sets what an element shows: text, a bar's value, or a time. */
export function show(element: Element, value: string): void {
  if (element instanceof HTMLProgressElement) {
    element.value = Number(value);
  } else if (element instanceof RelativeTime) {
    element.set(value);
  } else if (element.textContent !== value) {
    element.textContent = value;
  }
}

/** The page's connection: it owns the socket, says when what is shown is old, and fetches what was missed. */
export class LivePage extends HTMLElement {
  readonly socket = new LiveSocket({
    age: () => performance.now() - this.asked,
    up: (again) => this.up(again),
    down: () => this.down(),
    stale: () => this.refetch(),
  });
  private fresh = Date.now();
  private asked = 0; // of performance.now(): at first when the browser set out for the page
  private fetched = 0;
  private pending = 0;
  private lostTimer = 0;
  private bannerTimer = 0;

  connectedCallback(): void {
    const topics = (this.dataset["topics"] ?? "").split(" ").filter((t) => t !== "");
    for (const topic of topics) this.socket.listen(topic, (delta) => this.apply(delta));
    if (topics.length === 0) return;
    this.socket.connect();
    for (const e of this.ownerDocument.querySelectorAll<HTMLElement>("[data-refetch-in]")) {
      const wait = Number(e.dataset["refetchIn"]);
      if (wait > 0) setTimeout(() => this.refetch(), wait + expiryPause);
    }
    addEventListener("online", () => this.socket.hurry());
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) this.socket.hurry();
    });
    addEventListener("pagehide", () => this.socket.close());
    addEventListener("pageshow", (e) => {
      if (e.persisted) location.reload();
    });
  }

  private apply(delta: Delta): void {
    this.fresh = Date.now();
    if (delta.values) this.applyValues(delta.values);
  }

  private applyValues(values: Record<string, string>): void {
    for (const [name, value] of Object.entries(values)) {
      const key = CSS.escape(name);
      for (const e of document.querySelectorAll(`[data-value="${key}"]`)) show(e, value);
      for (const e of document.querySelectorAll<HTMLElement>(`[data-value-tone="${key}"]`)) e.dataset["tone"] = value;
      const none = value === "" || value === "0";
      for (const e of document.querySelectorAll<HTMLElement>(`[data-value-show="${key}"]`)) e.hidden = none;
      for (const e of document.querySelectorAll<HTMLElement>(`[data-value-none="${key}"]`)) e.hidden = !none;
      for (const e of document.querySelectorAll<HTMLButtonElement>(`[data-value-enable="${key}"]`)) e.disabled = none;
      for (const e of document.querySelectorAll(`[data-value-zero="${key}"]`)) e.classList.toggle("tile-zero", none);
    }
    const title = values["title"];
    if (title !== undefined) document.title = `${title} · Hostler`;
  }

  private up(again: boolean): void {
    clearTimeout(this.lostTimer);
    clearInterval(this.bannerTimer);
    this.bannerTimer = 0;
    this.banner(null);
    this.fresh = Date.now();
    if (again) this.refetch();
  }

  private down(): void {
    if (this.bannerTimer !== 0) return;
    const tick = (): void => {
      const age_ = age(this.fresh - Date.now());
      this.banner(`${this.dataset["reconnecting"] ?? ""} ${this.dataset["age"] ?? ""} ${age_}`);
    };
    this.lostTimer = window.setTimeout(tick, bannerAfter);
    this.bannerTimer = window.setInterval(() => {
      if (!this.querySelector<HTMLElement>("[data-live-banner]")?.hidden) tick();
    }, 1000);
  }

  private banner(text: string | null): void {
    const banner = this.querySelector<HTMLElement>("[data-live-banner]");
    const place = banner?.querySelector("[data-live-text]");
    if (!banner || !place) return;
    if (banner.hidden && text !== null) announce(this.dataset["reconnecting"] ?? "");
    banner.hidden = text === null;
    place.textContent = text ?? "";
  }

  /** Fetches the page again, once for many calls, and takes over what changed. */
  refetch(): void {
    if (this.pending !== 0) return;
    const wait = Math.max(0, this.fetched + refetchPause - Date.now());
    this.pending = window.setTimeout(() => {
      void this.load().finally(() => {
        this.fetched = Date.now();
        this.pending = 0;
      });
    }, wait);
  }

  private async load(): Promise<void> {
    const asked = performance.now();
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } }).catch(() => null);
    if (!answer?.ok) return;
    if (answer.redirected && new URL(answer.url).pathname !== location.pathname) {
      location.reload(); // the session has ended
      return;
    }
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const region of page.querySelectorAll("[data-live-region]")) {
      const old = document.getElementById(region.id);
      if (old && !inUse(old, region)) old.replaceWith(openAs(old, document.importNode(region, true)));
    }
    showLocalTimes(document);
    this.applyValues(valuesOf(page));
    this.fresh = Date.now();
    this.asked = asked;
    this.dispatchEvent(new CustomEvent("page-fetched", { detail: page }));
  }
}

/** Whether somebody would lose the place or what was typed, by a region that comes in place of the old one. */
function inUse(old: Element, fresh: Element): boolean {
  if (old.contains(document.activeElement)) return true;
  const fields = old.querySelectorAll<HTMLInputElement | HTMLTextAreaElement>("input, textarea");
  const touched = (f: HTMLInputElement | HTMLTextAreaElement): boolean =>
    f.value !== f.defaultValue || (f instanceof HTMLInputElement && f.checked !== f.defaultChecked);
  return fresh.querySelector("form") !== null && [...fields].some(touched);
}

/** A region that comes in place of an old one, with those details open that were: somebody reads them. */
function openAs(old: Element, fresh: Element): Element {
  for (const details of fresh.querySelectorAll<HTMLDetailsElement>("details[id]")) {
    const before = [...old.querySelectorAll<HTMLDetailsElement>("details[id]")].find((e) => e.id === details.id);
    if (before) details.open = before.open;
  }
  return fresh;
}

function valuesOf(page: Document): Record<string, string> {
  const values: Record<string, string> = {};
  for (const e of page.querySelectorAll("[data-value]")) {
    const name = e.getAttribute("data-value");
    if (name) values[name] = textOf(e);
  }
  for (const e of page.querySelectorAll<HTMLElement>("[data-value-tone]")) {
    values[e.dataset["valueTone"] ?? ""] = e.dataset["tone"] ?? "";
  }
  return values;
}

/** What show would have to be given for an element to look as it does. */
export function textOf(e: Element): string {
  if (e.localName === "progress") return e.getAttribute("value") ?? "0";
  if (e.localName === "relative-time") return e.getAttribute("datetime") || e.textContent;
  return e.textContent;
}

/** Says something to screen readers, at their leisure. */
export function announce(text: string): void {
  const status = document.querySelector("[data-live-status]");
  if (status) status.textContent = text;
}

/** The page's connection; null on pages that have none. */
export function livePage(): LivePage | null {
  return document.querySelector<LivePage>("live-page");
}
