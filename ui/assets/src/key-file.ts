const largest = 1 << 20;

/**
 * Reads a chosen or dropped private key into its text field. The key goes nowhere but into the form: it is never
 * kept in the browser's storage.
 */
export function readKeyFiles(): void {
  for (const field of document.querySelectorAll<HTMLElement>("[data-key-field]")) {
    const text = field.querySelector("textarea");
    const file = field.querySelector<HTMLInputElement>("[data-key-file]");
    if (!text || !file) continue;
    file.addEventListener("change", () => {
      const chosen = file.files?.[0];
      if (chosen) void read(chosen, text, file);
    });
    acceptDrops(field, text, file);
  }
}

function acceptDrops(field: HTMLElement, text: HTMLTextAreaElement, file: HTMLInputElement): void {
  const dropping = (on: boolean) => (e: DragEvent) => {
    if (!e.dataTransfer?.types.includes("Files")) return;
    e.preventDefault();
    field.classList.toggle("dropping", on);
  };
  field.addEventListener("dragover", dropping(true));
  field.addEventListener("dragleave", dropping(false));
  field.addEventListener("drop", (e) => {
    dropping(false)(e);
    const dropped = e.dataTransfer?.files[0];
    if (dropped) void read(dropped, text, file);
  });
}

async function read(chosen: File, text: HTMLTextAreaElement, file: HTMLInputElement): Promise<void> {
  const error = document.getElementById(`${text.id}-error`);
  const tooLarge = chosen.size > largest;
  if (error) {
    error.hidden = !tooLarge;
    error.textContent = tooLarge ? (file.dataset["tooLarge"] ?? "") : "";
  }
  text.ariaInvalid = String(tooLarge);
  if (!tooLarge) text.value = await chosen.text();
  file.value = ""; // the text field carries the key; the file would be a second copy
}
