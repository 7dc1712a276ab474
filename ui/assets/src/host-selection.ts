const mark = "#chosen=";

/**
 * The hosts that somebody chose: they stay chosen while the list is paged and filtered, for which its address and those
 * that lead on name them, and go along with the form from wherever they were chosen.
 */
export class HostSelection extends HTMLElement {
  private chosen = new Set<string>();

  connectedCallback(): void {
    this.chosen = new Set(passed());
    for (const box of this.boxes()) box.checked = this.chosen.has(box.value);
    this.addEventListener("change", (e) => this.changed(e));
    this.querySelector("[data-selection-clear]")?.addEventListener("click", () => this.clear());
    const form = this.querySelector("form");
    form?.addEventListener("formdata", (e) => {
      // Those that match the filter need not be told one by one, and others are not on this page.
      e.formData.delete("host");
      if (!e.formData.has("match")) for (const id of this.chosen) e.formData.append("host", id);
    });
    addEventListener("pageshow", () => this.show()); // going back may have brought other boxes
    this.show();
  }

  private boxes(): NodeListOf<HTMLInputElement> {
    return this.querySelectorAll<HTMLInputElement>("[data-rows] input[data-select]");
  }

  private matching(): boolean {
    return this.querySelector<HTMLInputElement>("[data-select-match]")?.checked === true;
  }

  private changed(e: Event): void {
    const box = e.target as HTMLInputElement;
    if (!("selectMatch" in box.dataset)) {
      for (const own of this.boxes()) {
        if (own.checked) this.chosen.add(own.value);
        else this.chosen.delete(own.value);
      }
    }
    this.show();
  }

  private clear(): void {
    this.chosen.clear();
    for (const box of this.querySelectorAll<HTMLInputElement>("input[type=checkbox]")) box.checked = false;
    this.show();
  }

  private show(): void {
    this.pass();
    const n = this.chosen.size;
    const here = [...this.boxes()].filter((box) => box.checked).length;
    const text = n === 0 || this.matching() ? "" : ((n > here ? this.dataset["elsewhere"] : this.dataset["selected"]) ?? "");
    const count = this.querySelector("[data-selection-count]");
    if (count) count.textContent = text.replace("{n}", String(n)).replace("{other}", String(n - here));
    const clear = this.querySelector<HTMLElement>("[data-selection-clear]");
    if (clear) clear.hidden = n === 0 && !this.matching();
    for (const b of this.querySelectorAll<HTMLButtonElement>("[data-selection]")) b.disabled = n === 0 && !this.matching();
  }

  /** Lets the addresses of the list's other pages name the chosen hosts. */
  private pass(): void {
    const hash = this.chosen.size === 0 ? "" : mark + [...this.chosen].join(",");
    if (location.hash !== hash) history.replaceState(history.state, "", location.pathname + location.search + hash);
    for (const link of document.querySelectorAll<HTMLAnchorElement>("main a")) if (link.pathname === location.pathname) link.hash = hash;
    for (const form of document.querySelectorAll<HTMLFormElement>("main form[role=search]")) form.action = location.pathname + hash;
  }
}

function passed(): string[] {
  return location.hash.startsWith(mark) ? location.hash.slice(mark.length).split(",") : [];
}
