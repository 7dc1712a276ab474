import { csrfToken } from "./csrf";

interface Note {
  line: number;
  message: string;
}

interface Imported {
  format: string;
  text: string;
  notes: Note[] | null;
}

const largest = 1 << 20;

/**
 * Takes another program's list of hosts, from a file or as it was pasted, and puts what the server makes of it into the
 * text field, where it can be seen and mended.
 */
export class HostImport extends HTMLElement {
  private field: HTMLTextAreaElement | null = null;

  connectedCallback(): void {
    const field = document.getElementById(this.dataset["field"] ?? "");
    const file = this.querySelector<HTMLInputElement>("[data-hosts-file]");
    if (!(field instanceof HTMLTextAreaElement) || !file) return;
    this.field = field;
    file.addEventListener("change", () => {
      const chosen = file.files?.[0];
      if (chosen) void this.take(chosen).finally(() => (file.value = "")); // the text field carries it
    });
    const convert = this.querySelector<HTMLButtonElement>("[data-convert]");
    convert?.addEventListener("click", () => void this.convert(field.value, "", ""));
    field.addEventListener("recognised", (e) => {
      const format = e instanceof CustomEvent ? String(e.detail) : "list";
      if (convert) convert.hidden = format === "list";
      if (format !== "list") this.say(this.fill("pasted", format, ""), []);
      else if (convert && this.dataset["said"] === "pasted") this.say("", []);
    });
  }

  private async take(file: File): Promise<void> {
    if (file.size > largest) {
      this.say(this.dataset["failed"] ?? "", []);
      return;
    }
    await this.convert(await file.text(), file.name, this.field?.value.trim() ?? "");
  }

  private async convert(text: string, name: string, before: string): Promise<void> {
    const answer = await fetch("/api/v1/hosts/import", {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-CSRF-Token": csrfToken() },
      body: JSON.stringify({ text }),
    }).catch(() => null);
    if (!answer?.ok || !this.field) {
      const body = (await answer?.json().catch(() => null)) as { error?: { fields?: Record<string, string> } } | null;
      this.say(body?.error?.fields?.["text"] ?? this.dataset["failed"] ?? "", []);
      return;
    }
    const made = (await answer.json()) as Imported;
    this.field.value = (before === "" ? "" : before + "\n") + made.text;
    this.field.dispatchEvent(new Event("input", { bubbles: true }));
    this.say(name === "" ? "" : this.fill("done", made.format, name), made.notes ?? []);
    this.dataset["said"] = "done";
  }

  private fill(text: string, format: string, name: string): string {
    const key = format.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
    this.dataset["said"] = text;
    return (this.dataset[text] ?? "").replace("{format}", this.dataset[key] ?? format).replace("{name}", name);
  }

  private say(text: string, notes: Note[]): void {
    const result = this.querySelector<HTMLElement>("[data-import-result]");
    if (!result) return;
    result.replaceChildren(text);
    if (notes.length === 0) return;
    const list = document.createElement("ul");
    for (const n of notes) {
      const li = document.createElement("li");
      li.textContent = (n.line > 0 ? (this.dataset["line"] ?? "").replace("{line}", String(n.line)) : "") + n.message;
      list.append(li);
    }
    result.append(` ${this.dataset["leftOut"] ?? ""}`, list);
  }
}
