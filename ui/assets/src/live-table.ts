import { announce, livePage, show, textOf } from "./live-page";
import type { Delta, Row } from "./messages";

// More new rows than this at once are not pointed out one by one.
const mostFresh = 20;

// Every control that enters a page makes its form look for the place among the others, so more new rows
// than this are put together outside the page.
const mostAttached = 100;

/**
 * A table whose rows the server keeps up to date. Deltas are collected and applied once per frame; chips and the
 * search box hide rows, and a selection survives both.
 */
export class LiveTable extends HTMLElement {
  private body: HTMLTableSectionElement | null = null;
  private readonly rows = new Map<string, HTMLTableRowElement>();
  private readonly changes = new Map<string, Row>();
  private readonly gone = new Set<string>();
  private frame = 0;
  private filter = "";
  private needle = "";
  private stop: (() => void) | null = null;

  connectedCallback(): void {
    this.body = this.querySelector<HTMLTableSectionElement>("[data-rows]");
    for (const row of this.body?.rows ?? []) this.rows.set(row.dataset["row"] ?? "", row);
    this.addEventListener("click", (e) => this.clicked(e));
    this.addEventListener("change", (e) => this.changed(e));
    this.querySelector("[data-table-search]")?.addEventListener("input", (e) => {
      this.needle = (e.target as HTMLInputElement).value.trim().toLowerCase();
      this.applyFilter();
    });
    this.querySelector("[data-table-search]")?.addEventListener("keydown", (e) => {
      if ((e as KeyboardEvent).key === "Enter") e.preventDefault(); // it would submit the table's form
    });
    this.countSelection();
    const page = livePage();
    const topic = this.dataset["topic"];
    if (!page || !topic) return;
    this.stop = page.socket.listen(topic, (delta) => this.receive(delta));
    page.addEventListener("page-fetched", (e) => this.sync((e as CustomEvent<Document>).detail));
  }

  disconnectedCallback(): void {
    this.stop?.();
  }

  private receive(delta: Delta): void {
    for (const id of delta.removed ?? []) {
      this.gone.add(id);
      this.changes.delete(id);
    }
    for (const row of delta.rows ?? []) {
      this.changes.set(row.id, row);
      this.gone.delete(row.id);
    }
    if (this.frame === 0 && this.changes.size + this.gone.size > 0) {
      this.frame = requestAnimationFrame(() => this.apply());
    }
  }

  /** Takes over the rows of a page that was fetched again. */
  private sync(page: Document): void {
    const table = page.querySelector(`live-table[data-topic="${CSS.escape(this.dataset["topic"] ?? "")}"]`);
    if (!table) return;
    const rows = [...table.querySelectorAll<HTMLElement>("[data-rows] > [data-row]")].map(readRow);
    const known = new Set(rows.map((r) => r.id));
    this.receive({ topic: "", seq: 0, rows, removed: [...this.rows.keys()].filter((id) => !known.has(id)) });
  }

  private apply(): void {
    this.frame = 0;
    let moved = false;
    const added = [...this.changes.keys()].filter((id) => !this.rows.has(id)).length;
    const attach = added > mostAttached ? this.detach() : null;
    for (const id of this.gone) {
      this.rows.get(id)?.remove();
      this.rows.delete(id);
    }
    for (const change of this.changes.values()) {
      let row = this.rows.get(change.id);
      if (!row) {
        row = this.insert(change);
        if (!row) continue;
        moved = true;
      }
      if (row.dataset["group"] !== change.group) {
        row.dataset["group"] = change.group;
        moved = true;
      }
      row.dataset["tone"] = change.tone;
      for (const cell of row.querySelectorAll("[data-cell]")) {
        const value = change.cells[cell.getAttribute("data-cell") ?? ""];
        if (value !== undefined) show(cell, value);
      }
    }
    this.changes.clear();
    this.gone.clear();
    if (moved) this.arrange();
    attach?.();
    this.applyFilter();
    const none = this.querySelector<HTMLElement>("[data-no-rows]");
    if (none) none.hidden = this.rows.size > 0;
  }

  /** Takes the rows out of the page and returns what puts them back, with the focus where it was. */
  private detach(): (() => void) | null {
    const body = this.body;
    const table = body?.parentElement;
    if (!body || !table) return null;
    const next = body.nextSibling;
    const focused = document.activeElement;
    body.remove();
    return () => {
      table.insertBefore(body, next);
      if (focused instanceof HTMLElement && body.contains(focused)) focused.focus({ preventScroll: true });
    };
  }

  private insert(change: Row): HTMLTableRowElement | undefined {
    const template = this.querySelector<HTMLTemplateElement>("[data-row-template]");
    const made = template?.content.querySelector("tr")?.cloneNode(true);
    if (!(made instanceof HTMLTableRowElement) || !this.body) return undefined;
    for (const e of [made, ...made.querySelectorAll("*")]) {
      for (const a of e.attributes) if (a.value.includes("{id}")) a.value = a.value.replaceAll("{id}", encodeURIComponent(change.id));
    }
    made.classList.toggle("fresh", this.changes.size <= mostFresh);
    if (this.body.dataset["insert"] === "first") this.body.prepend(made);
    else this.body.append(made);
    this.rows.set(change.id, made);
    return made;
  }

  /** Puts rows into the order of their groups or names, moving only those that are out of place. */
  private arrange(): void {
    const order = this.dataset["order"]?.split(" ");
    const byName = this.dataset["sort"] === "name";
    if (!this.body || (!order && !byName)) return;
    const rank = (row: HTMLElement): number => order?.indexOf(row.dataset["group"] ?? "") ?? 0;
    const name = (row: HTMLElement): string => row.querySelector('[data-cell="name"]')?.textContent ?? "";
    const sorted = [...this.rows.values()].sort(
      (a, b) => rank(a) - rank(b) || (byName ? compare(name(a), name(b)) : Number(a.dataset["row"]) - Number(b.dataset["row"])),
    );
    const focused = document.activeElement;
    let place = this.body.firstElementChild;
    for (const row of sorted) {
      if (row === place) place = place.nextElementSibling;
      else this.body.insertBefore(row, place);
    }
    if (focused instanceof HTMLElement && this.contains(focused) && document.activeElement !== focused) focused.focus();
  }

  private clicked(e: Event): void {
    const chip = (e.target as Element).closest<HTMLElement>("[data-filter]");
    if (!chip) return;
    this.filter = chip.dataset["filter"] ?? "";
    for (const other of this.querySelectorAll<HTMLElement>("[data-filter]")) other.ariaPressed = String(other === chip);
    const shown = this.applyFilter();
    announce(`${chip.textContent.trim()}: ${String(shown)}`);
  }

  private applyFilter(): number {
    let shown = 0;
    for (const row of this.rows.values()) {
      const hidden =
        (this.filter !== "" && row.dataset["group"] !== this.filter) ||
        (this.needle !== "" && !row.textContent.toLowerCase().includes(this.needle));
      if (row.hidden !== hidden) row.hidden = hidden;
      if (!hidden) shown++;
    }
    const none = this.querySelector<HTMLElement>("[data-no-match]");
    if (none) none.hidden = shown > 0;
    return shown;
  }

  private changed(e: Event): void {
    const box = e.target;
    if (!(box instanceof HTMLInputElement) || box.type !== "checkbox") return;
    if ("selectAll" in box.dataset) {
      for (const row of this.rows.values()) {
        const own = row.querySelector<HTMLInputElement>("input[data-select]");
        if (own && !row.hidden) own.checked = box.checked;
      }
    }
    this.countSelection();
  }

  private countSelection(): void {
    const count = this.querySelectorAll("input[data-select]:checked").length;
    for (const b of this.querySelectorAll<HTMLButtonElement>("[data-selection]")) b.disabled = count === 0;
    for (const e of this.querySelectorAll("[data-selected-count]")) e.textContent = String(count);
  }
}

function readRow(row: HTMLElement): Row {
  const cells: Record<string, string> = {};
  for (const cell of row.querySelectorAll("[data-cell]")) cells[cell.getAttribute("data-cell") ?? ""] = textOf(cell);
  return { id: row.dataset["row"] ?? "", tone: row.dataset["tone"] ?? "", group: row.dataset["group"] ?? "", cells };
}

/** Compares as the server's database does: by code points. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
