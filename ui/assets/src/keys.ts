/** `/` searches, `?` shows the keys. Nothing happens while somebody types. */
export function listenForKeys(): void {
  document.addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || isTyping(e.target) || document.querySelector("dialog[open]")) return;
    const search = document.querySelector<HTMLInputElement>("[data-search]");
    const help = document.getElementById("keyboard-help");
    if (e.key === "/" && search) {
      e.preventDefault();
      search.focus();
      search.select();
    } else if (e.key === "?" && help instanceof HTMLDialogElement) {
      e.preventDefault();
      help.showModal();
    }
  });
}

function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target instanceof HTMLInputElement) return !["checkbox", "radio", "button", "submit"].includes(target.type);
  return target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement || target.isContentEditable;
}
