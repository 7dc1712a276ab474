import { csrfToken } from "./csrf";

interface Key {
  type: string;
  bits: number;
  fingerprint: string;
  encrypted: boolean;
}

/**
 * Tells what a private key is as soon as it is given, or what is wrong with it or its passphrase: a public key is found
 * out now and not by every host. The server keeps nothing of it.
 */
export function checkKeys(): void {
  document.addEventListener("change", (e) => {
    const field = e.target;
    if (!(field instanceof HTMLTextAreaElement || field instanceof HTMLInputElement)) return;
    const form = field.form;
    if (form && (field.name === "key" || (field.name === "passphrase" && keyOf(form) !== ""))) void check(form);
  });
}

const keyOf = (form: HTMLFormElement): string => form.querySelector<HTMLTextAreaElement>('textarea[name="key"]')?.value ?? "";

async function check(form: HTMLFormElement): Promise<void> {
  const status = form.querySelector<HTMLElement>("[data-key-status]");
  const text = keyOf(form);
  if (!status) return;
  status.textContent = "";
  complain(form, "key", "");
  complain(form, "passphrase", "");
  if (text.trim() === "") return;
  const passphrase = form.querySelector<HTMLInputElement>('input[name="passphrase"]')?.value ?? "";
  const answer = await fetch("/api/v1/keys/check", {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRF-Token": csrfToken() },
    body: JSON.stringify({ private_key: text, passphrase }),
  }).catch(() => null);
  if (!answer || keyOf(form) !== text) return; // the form's own answer will tell, or a newer key is being checked
  if (answer.ok) {
    const key = (await answer.json()) as Key;
    const words = [`${key.type.toUpperCase()} ${String(key.bits)}`, key.fingerprint, status.dataset[key.encrypted ? "encrypted" : "plain"] ?? ""];
    status.textContent = `✓ ${words.join(" · ")}`;
    return;
  }
  const { error } = (await answer.json().catch(() => ({}))) as { error?: { fields?: Record<string, string> } };
  complain(form, "key", error?.fields?.["private_key"] ?? "");
  complain(form, "passphrase", error?.fields?.["passphrase"] ?? "");
}

function complain(form: HTMLFormElement, name: string, message: string): void {
  const place = form.querySelector<HTMLElement>(`[data-field-error="${name}"]`);
  const field = form.querySelector<HTMLElement>(`[name="${name}"]`);
  if (place) {
    place.textContent = message;
    place.hidden = message === "";
  }
  field?.closest(".pf-v6-c-form-control")?.classList.toggle("pf-m-error", message !== "");
  if (field) field.ariaInvalid = String(message !== "");
}
