import { csrfToken } from "./csrf";

interface Expansion {
  lines: string[] | null;
  count: number;
  again: number;
  known: number;
  managed: string[] | null;
  format: string;
  errors: { line: number; message: string }[] | null;
}

const pause = 250;
const shown = 200;
const managedShown = 5;

/** Shows what the list of hosts stands for while it is typed. */
export class HostPreview extends HTMLElement {
  private timer = 0;
  private request: AbortController | null = null;

  connectedCallback(): void {
    const field = document.getElementById(this.dataset["field"] ?? "");
    if (!(field instanceof HTMLTextAreaElement)) return;
    field.addEventListener("input", () => {
      clearTimeout(this.timer);
      this.timer = window.setTimeout(() => void this.expand(field.value), pause);
    });
  }

  private async expand(text: string): Promise<void> {
    this.request?.abort();
    const request = new AbortController();
    this.request = request;
    const answer = await fetch("/api/v1/hosts/expand", {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-CSRF-Token": csrfToken() },
      body: JSON.stringify({ text, most: shown, names: this.dataset["names"] !== undefined }),
      signal: request.signal,
    }).catch(() => null);
    if (!answer?.ok) return; // a newer text is on its way, or the server will say it when the form is sent
    const expansion = (await answer.json()) as Expansion;
    this.render(expansion, text);
    document.getElementById(this.dataset["field"] ?? "")?.dispatchEvent(new CustomEvent("recognised", { detail: expansion.format }));
  }

  private render(e: Expansion, text: string): void {
    const lines = e.lines ?? [];
    // An empty list is no mistake while nothing was typed yet.
    const errors = text.trim() === "" ? [] : (e.errors ?? []);
    this.put("[data-preview-count]", this.count(e.count, "one", "other"));
    this.put("[data-preview-problems]", errors.length === 0 ? "" : this.count(errors.length, "problemOne", "problemOther"));
    this.put("[data-preview-more]", e.count > shown ? (this.dataset["more"] ?? "").replace("{n}", String(e.count - shown)) : "");
    this.list("[data-preview-names]", lines.map((line) => item(line)));
    this.list("[data-preview-notes]", this.notes(e).map((note) => item(note, true)));
    const many = document.querySelector<HTMLElement>("[data-many-hosts]");
    if (many) many.hidden = e.count <= Number(this.dataset["many"]);
    this.list("[data-preview-errors]", errors.map((x) => item((this.dataset["line"] ?? "").replace("{line}", String(x.line)) + x.message, true)));
    const empty = this.querySelector<HTMLElement>("[data-preview-empty]");
    if (empty) empty.hidden = e.count + errors.length > 0;
  }

  private notes(e: Expansion): string[] {
    const notes: string[] = [];
    if (e.again > 0) notes.push(this.count(e.again, "againOne", "againOther"));
    if (e.known > 0) {
      const names = (e.managed ?? []).slice(0, managedShown).join(", ") + (e.known > managedShown ? ", …" : "");
      notes.push(this.count(e.known, "managedOne", "managedOther").replace("{names}", names));
    }
    return notes;
  }

  private count(n: number, one: string, other: string): string {
    return (this.dataset[n === 1 ? one : other] ?? "").replace("{n}", String(n));
  }

  private put(selector: string, text: string): void {
    const e = this.querySelector(selector);
    if (e) e.textContent = text;
  }

  private list(selector: string, items: HTMLLIElement[]): void {
    this.querySelector(selector)?.replaceChildren(...items);
  }
}

function item(text: string, marked = false): HTMLLIElement {
  const li = document.createElement("li");
  if (marked) {
    const icon = document.createElement("span");
    icon.className = "state-icon";
    icon.ariaHidden = "true";
    li.append(icon);
  }
  const span = document.createElement("span");
  span.textContent = text;
  li.append(span);
  return li;
}
