/** Keeps the end of a box that grows in view, until somebody scrolls up. */
export class Follow {
  private on = true;
  private top = 0;

  constructor(
    private readonly box: HTMLElement,
    private readonly button: HTMLElement | null,
  ) {
    box.addEventListener("scroll", () => this.scrolled());
    // What stands above the box may take some of its height later; its end stays in view.
    new ResizeObserver(() => this.grown()).observe(box);
    button?.addEventListener("click", () => {
      this.set(!this.on);
      this.grown();
    });
  }

  /** Shows the end, if it is followed. */
  grown(): void {
    if (this.on) this.box.scrollTop = this.box.scrollHeight;
  }

  /** Shows a line, and follows the end no more. */
  reveal(line: Element): void {
    this.set(false);
    line.scrollIntoView({ block: "center" });
  }

  set(on: boolean): void {
    this.on = on;
    if (this.button) this.button.ariaPressed = String(on);
  }

  /** Only going up ends the following: an end that has moved away is caught up with. */
  private scrolled(): void {
    const up = this.box.scrollTop < this.top;
    this.top = this.box.scrollTop;
    if (this.atEnd()) this.set(true);
    else if (up) this.set(false);
  }

  private atEnd(): boolean {
    return this.box.scrollTop + this.box.clientHeight >= this.box.scrollHeight - 8;
  }
}
