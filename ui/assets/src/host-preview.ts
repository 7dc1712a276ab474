import { csrfToken } from "./csrf";

interface Expansion {
  hosts: string[] | null;
  errors: { line: number; message: string }[] | null;
}

const pause = 250;
const shown = 200;

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
      body: JSON.stringify({ text }),
      signal: request.signal,
    }).catch(() => null);
    if (!answer?.ok) return; // a newer text is on its way, or the server will say it when the form is sent
    this.render((await answer.json()) as Expansion, text);
  }

  private render(e: Expansion, text: string): void {
    const names = e.hosts ?? [];
    // An empty list is no mistake while nothing was typed yet.
    const errors = text.trim() === "" ? [] : (e.errors ?? []);
    this.put("[data-preview-count]", this.count(names.length, "one", "other"));
    this.put("[data-preview-problems]", errors.length === 0 ? "" : this.count(errors.length, "problemOne", "problemOther"));
    this.put("[data-preview-more]", names.length > shown ? (this.dataset["more"] ?? "").replace("{n}", String(names.length - shown)) : "");
    this.list("[data-preview-names]", names.slice(0, shown).map((name) => item(name)));
    this.list("[data-preview-errors]", errors.map((x) => item((this.dataset["line"] ?? "").replace("{line}", String(x.line)) + x.message, true)));
    const empty = this.querySelector<HTMLElement>("[data-preview-empty]");
    if (empty) empty.hidden = names.length + errors.length > 0;
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
