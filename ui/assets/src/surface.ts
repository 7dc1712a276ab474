/** Buttons with data-dialog ask first: they open the dialog of that id instead of acting. */
export function enableDialogs(): void {
  document.addEventListener("click", (e) => {
    const target = e.target as Element;
    const opener = target.closest<HTMLElement>("[data-dialog]");
    if (opener) {
      const dialog = document.getElementById(opener.dataset["dialog"] ?? "");
      if (dialog instanceof HTMLDialogElement) {
        e.preventDefault();
        dialog.showModal();
      }
      return;
    }
    const dialog = target.closest("dialog");
    if (dialog && (target.closest("[data-close]") || target === dialog)) dialog.close();
  });
}

/** Menus close when the focus or a click goes elsewhere, and on Esc; the navigation folds on narrow screens. */
export function enableMenus(): void {
  const menus = document.querySelectorAll<HTMLDetailsElement>("details[data-menu]");
  document.addEventListener("click", (e) => {
    for (const menu of menus) if (!menu.contains(e.target as Node)) menu.open = false;
  });
  for (const menu of menus) {
    menu.addEventListener("keydown", (e) => {
      if (e.key !== "Escape" || !menu.open) return;
      menu.open = false;
      menu.querySelector("summary")?.focus();
    });
    menu.addEventListener("focusout", (e) => {
      if (e.relatedTarget && !menu.contains(e.relatedTarget as Node)) menu.open = false;
    });
  }
  const toggle = document.querySelector<HTMLElement>("[data-nav-toggle]");
  toggle?.addEventListener("click", () => {
    const open = document.getElementById("navigation")?.classList.toggle("open") ?? false;
    toggle.ariaExpanded = String(open);
  });
}

/** A form is sent once, however often its button is clicked. */
export function guardForms(): void {
  document.addEventListener("submit", (e) => {
    const form = e.target as HTMLFormElement;
    if (e.defaultPrevented || form.method !== "post") return;
    if (form.dataset["sent"] !== undefined) {
      e.preventDefault();
      return;
    }
    form.dataset["sent"] = "";
  });
  addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll<HTMLFormElement>("form[data-sent]")) delete form.dataset["sent"];
  });
}

/** The box in the head of a table ticks the boxes of its rows; live tables do that themselves, for the rows they show. */
export function enableSelectAll(): void {
  document.addEventListener("change", (e) => {
    const all = e.target;
    if (!(all instanceof HTMLInputElement) || all.dataset["selectAll"] === undefined || all.closest("live-table")) return;
    for (const box of all.closest("table")?.querySelectorAll<HTMLInputElement>("input[data-select]") ?? []) box.checked = all.checked;
  });
}
