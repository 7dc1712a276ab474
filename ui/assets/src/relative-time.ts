import { livePage } from "./live-page";

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

const relative = new Intl.RelativeTimeFormat(document.documentElement.lang, { style: "narrow" });
const local = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "medium", timeStyle: "medium" });

/** How long ago something was, or until it is, in the page's language; ms is below 0 for the past. */
export function age(ms: number): string {
  const past = Math.abs(ms);
  if (past < second) return relative.format(-0, "second");
  if (past < minute) return relative.format(Math.trunc(ms / second), "second");
  if (past < hour) return relative.format(Math.trunc(ms / minute), "minute");
  if (past < day) return relative.format(Math.trunc(ms / hour), "hour");
  return relative.format(Math.trunc(ms / day), "day");
}

/** A duration as the server writes it; the patterns come with the page. */
export function elapsed(ms: number): string {
  const words = livePage()?.dataset ?? {};
  const s = Math.max(0, ms) / second;
  const fill = (pattern: string | undefined, parts: Record<string, number | string>): string =>
    (pattern ?? "").replace(/\{(\w)\}/g, (_, name: string) => String(parts[name] ?? ""));
  if (s < 10) return fill(words["s"], { S: s.toFixed(1) });
  if (s < 60) return fill(words["s"], { S: Math.floor(s) });
  if (s < 3600) return fill(words["ms"], { M: Math.floor(s / 60), S: Math.floor(s) % 60 });
  if (s < 86_400) return fill(words["hm"], { H: Math.floor(s / 3600), M: Math.floor(s / 60) % 60 });
  return fill(words["dh"], { D: Math.floor(s / 86_400), H: Math.floor(s / 3600) % 24 });
}

const ticking = new Set<RelativeTime>();
setInterval(() => {
  if (!document.hidden) for (const t of ticking) t.tick();
}, second);

const stamp = /^\d{4}-\d\d-\d\dT/;

/**
 * An age, or with mode="elapsed" a stopwatch. Its datetime is when it began; set gives it another one, or a text
 * that stays as it is.
 */
export class RelativeTime extends HTMLElement {
  connectedCallback(): void {
    this.set(this.getAttribute("datetime") ?? "", true);
  }

  disconnectedCallback(): void {
    ticking.delete(this);
  }

  set(value: string, first = false): void {
    if (stamp.test(value)) {
      this.setAttribute("datetime", value);
      this.title = local.format(new Date(value));
      ticking.add(this);
      this.tick();
      return;
    }
    ticking.delete(this);
    if (first) return; // what the server wrote says it better
    this.removeAttribute("datetime");
    this.removeAttribute("title");
    this.textContent = value;
  }

  tick(): void {
    const since = Date.parse(this.getAttribute("datetime") ?? "");
    const text = this.getAttribute("mode") === "elapsed" ? elapsed(Date.now() - since) : age(since - Date.now());
    if (this.textContent !== text) this.textContent = text;
  }
}

/** Writes points in time in the viewer's zone. */
export function showLocalTimes(root: ParentNode): void {
  for (const t of root.querySelectorAll<HTMLTimeElement>("time[data-local]")) t.textContent = local.format(new Date(t.dateTime));
}
