import { copy } from "./copy-button";
import { Follow } from "./follow";
import { livePage } from "./live-page";

// More lines than this are brought only when somebody asks for them again.
const mostLines = 50_000;
// What is off the screen is not laid out, part by part.
const partLines = 1000;

/** A stream of a job: brings what is new and what was left out as the server draws it, finds, and follows the end. */
export class OutputView extends HTMLElement {
  private box: HTMLElement | null = null;
  private follow: Follow | null = null;
  private stop: (() => void) | null = null;
  private reads = Promise.resolve();
  private hits: Element[] = [];
  private at = -1;

  connectedCallback(): void {
    this.box = this.find("log");
    if (!this.box) return;
    this.follow = new Follow(this.box, this.find("follow"));
    this.follow.set(this.dataset["running"] !== undefined);
    this.addEventListener("click", (e) => this.clicked(e));
    this.find("search")?.addEventListener("input", (e) => void this.search((e.target as HTMLInputElement).value));
    this.find("form")?.addEventListener("submit", (e) => {
      // What is not here only the server can search.
      if (this.dataset["fixed"] !== undefined || this.find("more")) return;
      e.preventDefault();
      this.step(1);
    });
    addEventListener("hashchange", this.toHash);
    // A page of some lines out of many stays as it is.
    if (this.dataset["fixed"] === undefined) {
      this.stop = livePage()?.socket.listen(this.dataset["topic"] ?? "", () => void this.read()) ?? null;
      if (this.dataset["running"] !== undefined) void this.read();
    }
    this.follow.grown();
    this.toHash();
  }

  disconnectedCallback(): void {
    this.stop?.();
    removeEventListener("hashchange", this.toHash);
  }

  private find(name: string): HTMLElement | null {
    return this.querySelector<HTMLElement>(`[data-output-${name}]`);
  }

  private clicked(e: Event): void {
    const target = e.target as Element;
    const button = target.closest<HTMLElement>("[data-output-copy]");
    if (button) void copy(this.text(), button, this.dataset["copied"] ?? "");
    if (target.closest("[data-output-more]")) {
      e.preventDefault();
      void this.read(this.lines().length + mostLines, 1);
    }
  }

  private lines(): NodeListOf<Element> {
    return this.querySelectorAll(".line");
  }

  private text(): string {
    return [...this.lines()].map((line) => line.lastChild?.textContent ?? "").join("\n");
  }

  /** Brings what comes next, after what is being brought: parts of it, or as much as there is, up to so many lines. */
  private read(most = mostLines, parts = Infinity): Promise<void> {
    return (this.reads = this.reads.then(() => this.bring(most, parts)));
  }

  private async bring(most: number, parts: number): Promise<void> {
    try {
      for (let n = 0; n < parts && this.lines().length < most; n++) if (!(await this.next())) return;
      if (this.lines().length >= most) this.offerMore();
    } catch {
      // The connection is gone; the page's banner says so, and the next growth reads on.
    }
  }

  /** Says that there may be more than is brought without being asked for. */
  private offerMore(): void {
    if (this.find("more") || !this.box) return;
    const link = document.createElement("a");
    link.className = "output-more";
    link.href = "#";
    link.dataset["outputMore"] = "";
    link.textContent = this.dataset["more"] ?? "";
    this.box.append(link);
  }

  /** Brings one part and tells whether there is another one. */
  private async next(): Promise<boolean> {
    const last = this.box?.querySelector<HTMLElement>(".lines:last-of-type");
    const answer = await fetch(`${this.dataset["url"] ?? ""}&from=${last?.dataset["next"] ?? ""}`);
    if (!this.box || !answer.ok) return false;
    const made = new DOMParser().parseFromString(await answer.text(), "text/html");
    this.find("more")?.remove();
    if (last?.dataset["open"] !== undefined) last.lastElementChild?.remove();
    this.box.append(...[...made.body.children].map((e) => document.importNode(e, true)));
    if (last) join(last);
    const some = this.lines().length > 0;
    this.box.hidden = !some;
    const empty = this.find("empty");
    if (empty) empty.hidden = some;
    this.follow?.grown();
    return this.find("more") !== null;
  }

  /** Marks the lines that hold a text, in all that there is, and shows the first of them. */
  private async search(text: string): Promise<void> {
    const needle = text.trim().toLowerCase();
    if (needle !== "" && this.find("more") && this.dataset["fixed"] === undefined) await this.read();
    this.hits = [];
    this.at = -1;
    for (const line of this.lines()) {
      const hit = needle !== "" && (line.lastChild?.textContent ?? "").toLowerCase().includes(needle);
      line.classList.toggle("hit", hit);
      line.classList.remove("target");
      if (hit) this.hits.push(line);
    }
    const place = this.find("hits");
    if (place) place.textContent = needle === "" ? "" : (this.dataset["noHits"] ?? "");
    if (needle !== "") this.step(1);
  }

  private step(by: number): void {
    const place = this.find("hits");
    if (this.hits.length === 0) return;
    this.hits[this.at]?.classList.remove("target");
    this.at = (this.at + by + this.hits.length) % this.hits.length;
    const hit = this.hits[this.at];
    if (!hit) return;
    hit.classList.add("target");
    this.follow?.reveal(hit);
    if (place) place.textContent = (this.dataset["hits"] ?? "").replace("{at}", String(this.at + 1)).replace("{all}", String(this.hits.length));
  }

  /** Shows the line that the address names, and brings it if it is not there yet. */
  private readonly toHash = (): void => {
    const letter = this.dataset["url"]?.endsWith("stderr") === true ? "E" : "L";
    const id = location.hash.slice(1);
    if (!id.startsWith(letter) || !/^\d+$/.test(id.slice(1)) || this.dataset["fixed"] !== undefined) return;
    void (async () => {
      if (!document.getElementById(id)) await this.read(Number(id.slice(1)) + 1);
      const line = document.getElementById(id);
      if (!line) return;
      this.querySelector(".line.target")?.classList.remove("target");
      line.classList.add("target");
      this.follow?.reveal(line);
    })();
  };
}

/** Makes a small part and the one behind it one, so that a line at a time does not make a part at a time. */
function join(part: HTMLElement): void {
  const next = part.nextElementSibling;
  if (!(next instanceof HTMLElement) || !next.classList.contains("lines") || part.childElementCount > partLines) return;
  part.append(...next.children);
  part.dataset["next"] = next.dataset["next"] ?? "";
  if (next.dataset["open"] === undefined) delete part.dataset["open"];
  else part.dataset["open"] = "";
  next.remove();
}
