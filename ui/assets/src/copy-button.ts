import { announce } from "./live-page";

/** Copies a text and says so: to the eye for a moment, and to screen readers. */
export async function copy(text: string, button: HTMLElement, done: string): Promise<void> {
  await navigator.clipboard.writeText(text).catch(() => copyBySelection(text));
  announce(done);
  const icon = button.querySelector(".icon");
  icon?.classList.replace("icon-copy", "icon-check");
  setTimeout(() => icon?.classList.replace("icon-check", "icon-copy"), 1500);
}

/** The clipboard's interface is missing where the page came over plain HTTP from another machine. */
function copyBySelection(text: string): void {
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "pf-v6-screen-reader";
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

/** A button that copies data-text. */
export class CopyButton extends HTMLElement {
  connectedCallback(): void {
    const button = this.querySelector("button");
    button?.addEventListener("click", () => void copy(this.dataset["text"] ?? "", button, this.dataset["copied"] ?? ""));
  }
}
