import { showLocalTimes } from "./relative-time";

/** Shows the page behind a link of a list beside the list, which stays in view and usable. */
export class DetailDrawer extends HTMLElement {
  private opener: HTMLElement | null = null;
  private wanted = "";

  connectedCallback(): void {
    document.addEventListener("click", (e) => this.linkClicked(e));
    this.addEventListener("keydown", (e) => {
      if (e.key === "Escape") this.close();
    });
    this.querySelector("[data-drawer-close]")?.addEventListener("click", () => this.close());
  }

  private linkClicked(e: MouseEvent): void {
    const link = (e.target as Element).closest<HTMLAnchorElement>("a[data-detail]");
    if (!link || e.ctrlKey || e.metaKey || e.shiftKey || e.button !== 0) return;
    e.preventDefault();
    void this.open(link);
  }

  private async open(link: HTMLAnchorElement): Promise<void> {
    this.wanted = link.href;
    const answer = await fetch(link.href).catch(() => null);
    if (this.wanted !== link.href) return; // another one was clicked meanwhile
    const page = answer?.ok ? new DOMParser().parseFromString(await answer.text(), "text/html") : null;
    const body = page?.querySelector<HTMLElement>("[data-detail-body]");
    const title = this.querySelector<HTMLElement>("[data-drawer-title]");
    const place = this.querySelector<HTMLElement>("[data-drawer-detail]");
    if (!body || !title || !place) {
      location.assign(link.href); // it says what is wrong
      return;
    }
    const heading = body.querySelector("[data-detail-title]");
    title.textContent = heading?.textContent ?? "";
    heading?.remove();
    place.replaceChildren(document.importNode(body, true));
    showLocalTimes(place);
    this.opener = link;
    this.hidden = false;
    title.focus();
  }

  private close(): void {
    this.wanted = "";
    this.hidden = true;
    this.opener?.focus();
  }
}
