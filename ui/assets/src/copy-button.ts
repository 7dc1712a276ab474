import { announce } from "./live-page";

/** Copies a text and says so: to the eye for a moment, and to screen readers. */
export async function copy(text: string, button: HTMLElement, done: string): Promise<void> {
  await navigator.clipboard.writeText(text);
  announce(done);
  const icon = button.querySelector(".icon");
  icon?.classList.replace("icon-copy", "icon-check");
  setTimeout(() => icon?.classList.replace("icon-check", "icon-copy"), 1500);
}

/** A button that copies data-text. */
export class CopyButton extends HTMLElement {
  connectedCallback(): void {
    const button = this.querySelector("button");
    button?.addEventListener("click", () => void copy(this.dataset["text"] ?? "", button, this.dataset["copied"] ?? ""));
  }
}
