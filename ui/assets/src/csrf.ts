/** The token that proves that a request comes from this page; every form holds it. */
export function csrfToken(): string {
  return document.querySelector<HTMLInputElement>('input[name="csrf"]')?.value ?? "";
}
