import { csrfToken } from "./csrf";
import { age } from "./relative-time";

interface Refusal {
  error?: { message?: string; hint?: string; fields?: Record<string, string> };
}

const pause = 800;
const retryAfter = 5000;
// What a draft keeps. Everything else that a form may hold, above all its secrets, is never sent while typing.
const texts = ["cluster", "hosts", "method", "user", "become", "jump_host", "jump_user"];
const numbers = ["version", "port", "jump_port"];

/**
 * A form that is sent by fetch, so that a refusal loses nothing that was typed, not even the key. One that names
 * where to (data-save) is also saved while somebody types, without secrets.
 */
export class DraftForm extends HTMLElement {
  private form: HTMLFormElement | null = null;
  private timer = 0;
  private saving: Promise<void> = Promise.resolve();
  private savedAt = 0;
  private stale = false;

  connectedCallback(): void {
    const form = this.querySelector("form");
    if (!form) return;
    this.form = form;
    if (this.dataset["save"]) form.addEventListener("input", () => this.later(pause));
    form.addEventListener("submit", (e) => {
      e.preventDefault();
      void this.submit(form, e.submitter);
    });
    setInterval(() => {
      if (this.savedAt !== 0 && !this.stale) this.status(`${this.dataset["saved"] ?? ""} ${age(this.savedAt - Date.now())}`);
    }, 1000);
  }

  private later(ms: number): void {
    if (this.stale) return;
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => {
      this.timer = 0;
      this.saving = this.saving.then(() => this.save());
    }, ms);
  }

  private async save(): Promise<void> {
    const form = this.form;
    if (!form || this.stale) return;
    const data = new FormData(form);
    const draft: Record<string, string | number> = {};
    for (const [name, value] of data) {
      if (typeof value !== "string") continue;
      if (texts.includes(name)) draft[name] = value;
      if (numbers.includes(name) && /^\d{1,9}$/.test(value)) draft[name] = Number(value);
    }
    const versions = typedVersions(data);
    const answer = await fetch(this.dataset["save"] ?? "", {
      method: "POST",
      headers: { Accept: "application/json", "Content-Type": "application/json", "X-CSRF-Token": csrfToken() },
      body: JSON.stringify({ ...draft, ...(form.dataset["versions"] !== undefined && { versions }) }),
    }).catch(() => null);
    if (answer?.status === 409) {
      this.conflict();
    } else if (answer?.ok) {
      this.version((await answer.json()) as { version?: number });
      this.savedAt = Date.now();
    } else if (!answer || answer.status >= 500) {
      this.savedAt = 0;
      this.status(this.dataset["failed"] ?? "");
      this.later(retryAfter);
    }
  }

  private version(saved: { version?: number }): void {
    const field = this.form?.elements.namedItem("version");
    if (field instanceof HTMLInputElement && saved.version !== undefined) field.value = String(saved.version);
  }

  private conflict(): void {
    this.stale = true;
    const link = document.createElement("a");
    link.href = location.href;
    link.textContent = this.dataset["reload"] ?? "";
    this.status(`${this.dataset["stale"] ?? ""} `, link);
  }

  private status(text: string, ...more: Node[]): void {
    document.querySelector("[data-draft-status]")?.replaceChildren(text, ...more);
  }

  private async submit(form: HTMLFormElement, submitter: HTMLElement | null): Promise<void> {
    clearTimeout(this.timer);
    const button = submitter instanceof HTMLButtonElement ? submitter : null;
    const pressed: [string, string] = [button?.name ?? "", button?.value ?? ""]; // a disabled button is not sent
    if (button) button.disabled = true;
    try {
      await this.saving; // its answer carries the version that this request must name
      const data = new FormData(form);
      if (pressed[0] !== "") data.set(...pressed);
      const answer = await fetch(form.action, { method: "POST", headers: { Accept: "application/json" }, body: data });
      const body: unknown = await answer.json().catch(() => ({}));
      if (answer.ok) {
        location.assign((body as { location?: string }).location ?? location.href);
        return;
      }
      if (answer.status === 409) this.conflict();
      this.refuse(form, body as Refusal);
      if (this.dataset["save"]) this.later(0); // what was refused is kept all the same
    } catch {
      this.refuse(form, { error: { message: this.dataset["failed"] ?? "" } });
    }
    if (button) button.disabled = false;
  }

  /** Shows what is wrong beside the fields and above the form, and puts the cursor into the first bad field. */
  private refuse(form: HTMLFormElement, { error }: Refusal): void {
    const fields = { ...error?.fields };
    let first: HTMLElement | null = null;
    for (const place of form.querySelectorAll<HTMLElement>("[data-field-error]")) {
      const name = place.dataset["fieldError"] ?? "";
      const message = fields[name] ?? "";
      place.textContent = message;
      place.hidden = message === "";
      const field = document.getElementById(`field-${name}`);
      field?.closest(".pf-v6-c-form-control")?.classList.toggle("pf-m-error", message !== "");
      if (field) field.ariaInvalid = String(message !== "");
      if (message !== "") {
        first ??= field;
        const folded = field?.closest("details");
        if (folded) folded.open = true;
      }
    }
    const lines = Object.entries(fields).filter(([, message]) => message !== "");
    if (lines.length === 0) lines.push(["", [error?.message, error?.hint].filter(Boolean).join(" ")]);
    const box = form.querySelector<HTMLElement>("[data-problems]");
    box?.querySelector("[data-problem-list]")?.replaceChildren(...lines.map(([name, message]) => problem(name, message)));
    if (box) box.hidden = false;
    (first ?? box)?.focus();
  }
}

/** What a form says of families of systems, and of where they get the agent from. */
function typedVersions(data: FormData): Record<string, Record<string, string>> {
  const versions: Record<string, Record<string, string>> = {};
  for (const family of data.getAll("family").map(String)) {
    const source: Record<string, string> = {};
    for (const name of ["channel", "url", "key"]) {
      const value = data.get(`${name}_${family}`);
      if (typeof value === "string" && value !== "") source[name] = value;
    }
    versions[family] = source;
  }
  return versions;
}

function problem(field: string, message: string): HTMLLIElement {
  const li = document.createElement("li");
  if (!document.getElementById(`field-${field}`)) {
    li.textContent = message;
    return li;
  }
  const link = document.createElement("a");
  link.href = `#field-${field}`;
  link.textContent = message;
  li.append(link);
  return li;
}
