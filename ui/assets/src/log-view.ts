import { Follow } from "./follow";

// Terminal sequences (colours, cursor) mean nothing here.
const sequences = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007]*\u0007|[@-_])/g;

/** Lines of a log that grows: finds, and goes to an offset. */
export class LogView {
  /** The whole log. */
  text = "";
  private readonly decoder = new TextDecoder();
  private rest = "";
  private offset = 0;
  private needle = "";
  private readonly follow: Follow;

  constructor(
    private readonly box: HTMLElement,
    button: HTMLElement,
  ) {
    this.follow = new Follow(box, button);
  }

  clear(): void {
    this.text = this.rest = "";
    this.offset = 0;
    this.decoder.decode();
    this.box.replaceChildren();
    this.follow.set(true);
  }

  append(bytes: Uint8Array, at: number): void {
    if (bytes.length === 0) return;
    if (at === 0) this.offset = 0;
    const text = this.decoder.decode(bytes, { stream: true });
    this.text += text;
    const lines = (this.rest + text).split("\n");
    this.rest = lines.pop() ?? "";
    const encoder = new TextEncoder();
    const made = lines.map((line) => {
      const e = this.line(line);
      e.dataset["at"] = String(this.offset);
      this.offset += encoder.encode(line).length + 1;
      return e;
    });
    this.box.append(...made);
    this.follow.grown();
  }

  private line(text: string): HTMLElement {
    const e = document.createElement("span");
    e.className = "line";
    // A carriage return starts a line over, as progress bars do.
    e.textContent = text.replace(sequences, "").replace(/\r$/, "").split("\r").pop() ?? "";
    e.classList.toggle("hit", this.matches(e));
    return e;
  }

  private matches(line: Element): boolean {
    return this.needle !== "" && line.textContent.toLowerCase().includes(this.needle);
  }

  /** Marks the lines that hold text, shows the first one, and says how many there are. */
  search(text: string): number {
    this.needle = text.trim().toLowerCase();
    let first: Element | null = null;
    let hits = 0;
    for (const line of this.box.children) {
      const hit = this.matches(line);
      line.classList.toggle("hit", hit);
      if (!hit) continue;
      hits++;
      first ??= line;
    }
    if (first) this.follow.reveal(first);
    return hits;
  }

  /** Shows the line that begins at or after a byte offset. */
  goTo(offset: number): void {
    let target: Element | null = null;
    for (const line of this.box.children) {
      line.classList.remove("target");
      if (!target && Number((line as HTMLElement).dataset["at"]) >= offset) target = line;
    }
    if (!target) return;
    target.classList.add("target");
    this.follow.reveal(target);
  }
}
