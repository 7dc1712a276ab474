import { csrfToken } from "./csrf";

interface Key {
  problems: Record<string, string>; // by field; without any, the rest is there
  type?: string;
  bits?: number;
  fingerprint?: string;
  encrypted?: boolean;
}

/**
 * Tells what a private key is as soon as it is given, or what is wrong with it or its passphrase: a public key is found
 * out now and not by every host. It is told in one place that has room for it in any case: nothing moves away from under a
 * pointer that is about to press. The server keeps nothing of the key.
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
  if (text.trim() === "") {
    status.textContent = "";
    return;
  }
  const passphrase = form.querySelector<HTMLInputElement>('input[name="passphrase"]')?.value ?? "";
  const answer = await fetch("/api/v1/keys/check", {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRF-Token": csrfToken() },
    body: JSON.stringify({ private_key: text, passphrase }),
  }).catch(() => null);
  if (!answer?.ok || keyOf(form) !== text) return; // the form's own answer will tell, or a newer key is being checked
  const { problems, type = "", bits, fingerprint = "", encrypted } = (await answer.json()) as Key;
  const wrong = Object.values(problems).join(" ");
  const words = [`${type.toUpperCase()} ${String(bits)}`, fingerprint, status.dataset[encrypted ? "encrypted" : "plain"] ?? ""];
  status.textContent = wrong === "" ? `✓ ${words.join(" · ")}` : wrong;
  status.dataset["tone"] = wrong === "" ? "done" : "failed";
}
