const largest = 1 << 20;

/**
 * Reads a chosen or dropped private key into its text field. The key goes nowhere but into the form: it is never
 * kept in the browser's storage. The form may come to the page later than this.
 */
export function readKeyFiles(): void {
  document.addEventListener("change", (e) => {
    const file = e.target;
    if (!(file instanceof HTMLInputElement) || file.dataset["keyFile"] === undefined) return;
    take(file.closest<HTMLElement>("[data-key-field]"), file.files?.[0]);
  });
  for (const type of ["dragover", "dragleave", "drop"] as const) document.addEventListener(type, dragged);
}

function dragged(e: DragEvent): void {
  const field = e.target instanceof Element ? e.target.closest<HTMLElement>("[data-key-field]") : null;
  if (!field || !e.dataTransfer?.types.includes("Files")) return;
  e.preventDefault();
  field.classList.toggle("dropping", e.type === "dragover");
  if (e.type === "drop") take(field, e.dataTransfer.files[0]);
}

function take(field: HTMLElement | null, chosen: File | undefined): void {
  const text = field?.querySelector("textarea");
  const file = field?.querySelector<HTMLInputElement>("[data-key-file]");
  if (text && file && chosen) void read(chosen, text, file);
}

async function read(chosen: File, text: HTMLTextAreaElement, file: HTMLInputElement): Promise<void> {
  const error = document.getElementById(`${text.id}-error`);
  const tooLarge = chosen.size > largest;
  if (error) {
    error.hidden = !tooLarge;
    error.textContent = tooLarge ? (file.dataset["tooLarge"] ?? "") : "";
  }
  text.ariaInvalid = String(tooLarge);
  if (!tooLarge) {
    text.value = await chosen.text();
    text.dispatchEvent(new Event("change", { bubbles: true })); // it is checked at once
  }
  file.value = ""; // the text field carries the key; the file would be a second copy
}
